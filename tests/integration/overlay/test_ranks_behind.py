"""Brokers between others that are lost: what runs on the ranks behind them goes on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.overlay.conftest import Instance

if TYPE_CHECKING:
    from pathlib import Path

MARK = "echo begin $BOURN_TASK_RANK; until test -e {}; do sleep 0.05; done; echo end $BOURN_TASK_RANK; exit 3"


def _cores(ranks: int) -> str:
    return f'resource.config=[{{hosts="n[0-{ranks - 1}]",cores="0-3"}}]'


def _events(instance: Instance, id: str, key: str = "eventlog") -> list[str]:
    return [line.split()[1] for line in instance.ok(f"job eventlog -p {key} {id}").splitlines()]


def _submit(instance: Instance, ranks: str, *words: str) -> str:
    nodes = len(ranks.split(","))
    found = instance.words("submit", f"-N{nodes}", f"-n{nodes}", f"--requires=rank:{ranks}", *words)
    assert found.code == 0, found
    return found.out.strip()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_behind_a_lost_broker_goes_on(tmp_path: Path, signum: int) -> None:
    instance = Instance(tmp_path, "-s3", "-Stbon.topo=custom:0,1", "--conf", _cores(3))
    flag = tmp_path / "flag"
    id = _submit(instance, "2", "sh", "-c", MARK.format(flag))
    instance.ok(f"job wait-event -p guest.output {id} data")
    os.kill(instance.pid(1), signum)
    instance.until(lambda: '"online": "0,2"' in instance.ok("overlay status --json"))
    assert instance.ok(f"jobs -no {{state}} {id}") == "RUN"
    flag.touch()
    found = instance(f"job attach {id}")
    assert (found.code, found.out) == (3, "begin 0\nend 0\n")
    events = _events(instance, id)
    assert [name for name in events if name in ("start", "finish", "exception", "clean")] == [
        "start",
        "finish",
        "clean",
    ]
    assert instance.ok("resource drain -no {ranks}") == ""
    flag.unlink()
    instance.end()
    instance.until(lambda: not instance.left())
