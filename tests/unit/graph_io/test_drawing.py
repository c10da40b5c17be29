"""Drawing a match: DOT, and SVG if Graphviz is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bourn.errors import BournError
from bourn.hookspecs.resource_io import SelectedVertex, Selection
from bourn_plugins.graph_writers.dot import draw, write_dot, write_svg

if TYPE_CHECKING:
    from pathlib import Path


def selection() -> Selection:
    node = SelectedVertex("node", "node", 'no"de0', 0, 1, 0, 1, "", False, {}, 0, -1)
    memory = SelectedVertex("memory", "memory", "memory0", 0, 2, 0, 64, "GB", True, {}, 1, 1)
    return Selection([memory, node], 0, 0, "containment", {})


def test_dot() -> None:
    assert write_dot(selection()).splitlines()[2:] == [
        '  v0 [label="memory0\\n64GB", style=filled];',
        '  v1 [label="no\\"de0"];',
        "  v1 -> v0;",
        "}",
    ]


def test_svg_needs_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BournError, match="'dot' isn't installed; use dot"):
        write_svg(selection())


def test_svg_is_what_graphviz_makes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\necho "<svg $1>"; grep -c label\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert write_svg(selection()) == "<svg -Tsvg>\n2\n"
    program.write_text("#!/bin/sh\necho no >&2; exit 3\n")
    with pytest.raises(BournError, match="dot failed: no"):
        draw("digraph {}")
