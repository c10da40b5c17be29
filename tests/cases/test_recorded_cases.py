"""Recorded answers of the field's reference graph scheduler, compared to the last byte.

The recordings aren't a part of the project: they lie in a folder beside it, or these tests skip.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from bourn_plugins.sched_graph.query.query import main

FOLDER = Path(__file__).parents[2].parent / "shared" / "cases"


def _cases() -> list[Any]:
    index = FOLDER / "cases.json"
    if not index.exists():
        reason = "the recorded matching cases don't lie beside the project"
        return [pytest.param({}, marks=pytest.mark.skip(reason=reason), id="absent")]
    return [pytest.param(case, id=case["name"]) for case in json.loads(index.read_text())]


@pytest.mark.parametrize("case", _cases())
def test_recorded(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.setattr("sys.stdin", io.StringIO((FOLDER / case["commands"]).read_text()))
    assert main(["-d", *case["args"]]) == 0
    assert capsys.readouterr().out == (FOLDER / case["expected"]).read_text()
