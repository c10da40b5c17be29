"""Registers the graph scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def bourn_modules() -> Iterator[ModuleSpec]:
    """The module ``sched-graph``, the scheduler that an instance has unless it chooses another."""
    yield ModuleSpec(
        "sched-graph",
        "bourn_plugins.sched_graph.module:SchedGraph",
        provides=("sched", "feasibility"),
        ranks="0",
        requires=("resource", "job-manager"),
        priority=10,
    )
