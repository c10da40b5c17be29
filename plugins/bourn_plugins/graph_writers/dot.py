"""DOT, for drawing: what was selected as a tree, exclusive vertices filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn.hookspecs.resource_io import Selection


def write_dot(selection: Selection) -> str:
    """Write a digraph in the language of Graphviz."""
    lines = ["digraph resources {", "  node [shape=box];"]
    for i, vertex in enumerate(selection.vertices):
        label = vertex.name if vertex.size == 1 else f"{vertex.name}\\n{vertex.size}{vertex.unit}"
        style = ", style=filled" if vertex.exclusive else ""
        lines.append(f'  v{i} [label="{_quote(label)}"{style}];')
    lines += [
        f"  v{vertex.parent} -> v{i};" for i, vertex in enumerate(selection.vertices) if vertex.parent >= 0
    ]
    lines.append("}")
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return text.replace('"', '\\"')
