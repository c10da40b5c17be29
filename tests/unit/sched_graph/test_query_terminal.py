"""What Tab offers in `bourn resource-query`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bourn_plugins.sched_graph.query.terminal import completions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("before", "text", "offered"),
    [
        ([], "ma", ["match "]),
        ([], "set-", ["set-property ", "set-status "]),
        (["match"], "sat", ["satisfiability "]),
        (["M"], "without", ["without_allocating ", "without_allocating_future "]),
        (["match", "allocate"], "j", ["job.yaml ", "jobs/"]),
        (["match", "allocate"], "jobs/", ["jobs/one.yaml "]),
        (["cat"], "x", []),
        (["cat"], "none/", []),
    ],
)
def test_completions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: list[str], text: str, offered: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "one.yaml").touch()
    (tmp_path / "job.yaml").touch()
    assert completions(before, text) == offered
