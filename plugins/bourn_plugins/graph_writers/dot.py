"""DOT, and SVG by Graphviz's ``dot``: what was selected as a tree, exclusive vertices filled."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.hookspecs.resource_io import Selection


def write_dot(selection: Selection) -> str:
    """Write a digraph in the language of Graphviz."""
    lines = ["digraph resources {", "  node [shape=box];"]
    for i, vertex in enumerate(selection.vertices):
        label = _quote(vertex.name)
        if vertex.size != 1:
            label += f"\\n{vertex.size}{_quote(vertex.unit)}"
        style = ", style=filled" if vertex.exclusive else ""
        lines.append(f'  v{i} [label="{label}"{style}];')
    lines += [
        f"  v{vertex.parent} -> v{i};" for i, vertex in enumerate(selection.vertices) if vertex.parent >= 0
    ]
    lines.append("}")
    return "\n".join(lines) + "\n"


def write_svg(selection: Selection) -> str:
    """Draw; BournError if Graphviz isn't there, or fails."""
    return draw(write_dot(selection))


def draw(text: str) -> str:
    """Turn DOT into SVG."""
    program = shutil.which("dot")
    if program is None:
        raise BournError("svg: Graphviz's program 'dot' isn't installed; use dot, and draw it elsewhere")
    done = subprocess.run(
        [program, "-Tsvg"], input=text, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    if done.returncode:
        raise BournError(f"svg: {program} failed: {done.stderr.strip() or f'status {done.returncode}'}")
    return done.stdout


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
