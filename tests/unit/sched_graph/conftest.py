"""A session with two nodes of four cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sched_graph.graphs import res, slot
from tests.unit.sched_graph.rig import Rig, tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rig:
    rig = Rig(tmp_path, monkeypatch, capsys, tree(("node", 2), ("core", 4)))
    rig.job("two.json", slot(1, res("core", 2)))
    rig.job("one.json", slot(1, res("node", 1)))
    rig.job("both.json", res("node", 2, slot(1, res("core", 2))))
    rig.job("node.json", res("node", 1, slot(1, res("core", 1)), exclusive=True))
    rig.job("nodes.json", res("node", 2, slot(1, res("core", 1)), exclusive=True))
    rig.job("huge.json", slot(1, res("core", 9)))
    return rig
