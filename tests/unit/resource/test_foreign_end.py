"""The end of a Slurm job, and when to ask for it again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trio

from bourn_plugins.resource.foreign import LATEST, SOONEST, ForeignEnd, next_look, parse_end

if TYPE_CHECKING:
    from pathlib import Path

INSIDE = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}


@pytest.mark.parametrize(
    ("text", "end"), [("1700000000\n", 1.7e9), ("NONE\n", 0.0), ("UNKNOWN", 0.0), ("", None), ("\n", None)]
)
def test_what_squeue_says(text: str, end: float | None) -> None:
    assert parse_end(text) == end


@pytest.mark.parametrize(
    ("left", "failures", "seconds"),
    [
        (86400, 0, 60),
        (100, 0, 50),
        (12, 0, SOONEST),
        (-5, 0, 60),
        (86400, 2, 240),
        (10, 1, 120),
        (86400, 50, LATEST),
    ],
)
def test_looks_come_closer_to_each_other_near_the_end(left: float, failures: int, seconds: float) -> None:
    assert next_look(1000.0 + left, 1000.0, 60.0, failures) == seconds


def test_a_job_without_an_end_is_asked_for_it_all_the_same() -> None:
    assert next_look(0.0, 1000.0, 60.0, 0) == 60


def test_outside_of_slurm_nobody_is_asked() -> None:
    for environ in ({}, {"SLURM_JOB_ID": "7"}, {"SLURM_JOB_ID": "x", "SLURMD_NODENAME": "n1"}):
        end = ForeignEnd(environ)
        assert (end.exists, end.first(), end.known) == (False, 0.0, 0.0)


def test_newer_slurm_tells_its_tasks() -> None:
    end = ForeignEnd({**INSIDE, "SLURM_JOB_END_TIME": "1700000000"})
    assert (end.exists, end.first()) == (True, 1.7e9)


def test_asking_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text('#!/bin/sh\n[ "$SLURM_TIME_FORMAT $2" = "%s --jobs=7" ] && echo 1700000060\n')
    squeue.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    assert trio.run(ForeignEnd(INSIDE | {"PATH": path}).ask) == 1700000060
    assert trio.run(ForeignEnd(INSIDE | {"PATH": path, "SLURM_JOB_ID": "8"}).ask) is None
    monkeypatch.setenv("PATH", "")
    assert trio.run(ForeignEnd(INSIDE).ask) is None
