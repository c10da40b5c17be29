"""The human formats: a line a vertex, indented by depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn.hookspecs.resource_io import Selection


def write_simple(selection: Selection) -> str:
    """Write children before parents, ``core35[1:x]``: units, and x exclusive or s shared."""
    return "".join(
        f"      {'---' * (vertex.depth + 1)}{vertex.name}[{vertex.size}:{'x' if vertex.exclusive else 's'}]\n"
        for vertex in selection.vertices
    )


def write_pretty(selection: Selection) -> str:
    """Write parents before children, and the words in full."""
    return "".join(
        f"      {'---' * (vertex.depth + 1)}{vertex.name}"
        f"[{vertex.size}:{'exclusive' if vertex.exclusive else 'shared'}]\n"
        for vertex in reversed(selection.vertices)
    )
