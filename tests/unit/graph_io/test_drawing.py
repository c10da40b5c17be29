"""Drawing a match: DOT, and SVG if Graphviz is there."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from bourn.errors import BournError
from bourn.hookspecs.resource_io import SelectedVertex, Selection
from bourn_plugins.graph_writers.dot import draw, write_dot, write_svg

if TYPE_CHECKING:
    from pathlib import Path


needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot isn't installed")


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


@needs_dot
def test_graphviz_draws_any_name() -> None:
    odd = SelectedVertex("node", "node", 'a"b\\c<&>', 0, 1, 0, 3, 'G"B', True, {}, 0, -1)
    texts = [element.text for element in ET.fromstring(write_svg(Selection([odd]))).iter() if element.text]
    assert [text.replace("\xa0", " ") for text in texts if text.strip()][-2:] == ['a"b\\c<&>', '3G"B']
