"""Constraints on nodes (RFC 31), as a test of a vertex."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError, JobspecError
from bourn.model.constraint import Constraint
from bourn.model.idset import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.resources.graph import Vertex

_WHERE = "attributes.system.constraints"


def compile_constraint(tree: object) -> Callable[[Vertex], bool]:
    """Return whether a node is allowed, as a function; JobspecError names what is wrong."""
    if not isinstance(tree, dict):
        raise JobspecError(_WHERE, "must be a mapping")
    try:
        match = Constraint(tree).match
    except BournError as error:
        raise JobspecError(_WHERE, error.message) from None
    # A node without a rank is in no set of ranks.
    return lambda vertex: match(
        vertex.rank if vertex.rank >= 0 else MAX_ID, vertex.name, vertex.properties or ()
    )
