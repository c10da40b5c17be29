"""`bourn resource-query` where a person types: completion, history, errors, the end."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.sched_graph.graphs import jobspec, res, slot
from tests.unit.sched_graph.rig import tree

terminal = pytest.importorskip("tests.integration.cli.terminal", reason="needs pyte, a terminal emulator")

if TYPE_CHECKING:
    from pathlib import Path

BOURN = os.path.join(os.path.dirname(sys.executable), "bourn")


def test_a_session_at_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.graphml").write_text(tree(("node", 1), ("core", 2)))
    (tmp_path / "job.json").write_text(json.dumps(jobspec([slot(1, res("core", 2))])))
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    words = (BOURN, "resource-query", "-L", "g.graphml")
    seen = terminal.Terminal(*words, env=env)
    seen.shows("resource-query>")
    seen.type("matc\tallocate jo\t\n")
    seen.shows("match allocate job.json", "core1[1:x]", "RESOURCES=ALLOCATED")
    seen.type("cancle 1\n")
    seen.shows("ERROR: unknown command 'cancle'; did you mean 'cancel'?")
    seen.type("info 1")
    seen.shows("> info 1")
    # An interrupt throws away what was typed, in the terminal's driver too: the next line waits for it.
    seen.type("\x03")
    seen.shows("> info 1\nresource-query>")
    seen.type("stat\n")
    seen.shows("Num. of Jobs Matched: 1")
    assert "ALLOCATED, 0" not in "\n".join(seen.lines)
    seen.type("quit\n")
    assert seen.ends() == 0
    history = (tmp_path / "state" / "bourn" / "resource-query.history").read_text()
    assert history.splitlines() == ["match allocate job.json ", "cancle 1", "stat", "quit"]
    again = terminal.Terminal(*words, env=env)
    again.shows("resource-query>")
    again.type("\x1b[A\x1b[A")
    again.shows("resource-query> stat")
    again.type("\x15\x04")
    assert again.ends() == 0
