"""Instances of several brokers that end before they are up: one line, the right status, nothing left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import BOURN, Shell, environment

if TYPE_CHECKING:
    from pathlib import Path

SLOW = """
import signal, trio
from bourn.broker.module import Module, ModuleSpec
from bourn.errors import BournError
from bourn.hookspecs import hookimpl

class Slow(Module):
    async def run(self, *, task_status=trio.TASK_STATUS_IGNORED):
        {what}
        task_status.started()

@hookimpl
def bourn_modules():
    yield ModuleSpec("slow", Slow)
"""


def plugin(folder: Path, what: str) -> None:
    """Install a plugin whose module does something at its start."""
    (folder / "slow.py").write_text(SLOW.format(what=what))
    info = folder / "slow-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[bourn.plugins]\nslow = slow\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_start_is_interrupted(tmp_path: Path, signum: signal.Signals) -> None:
    lib, run = tmp_path / "lib", tmp_path / "run"
    lib.mkdir()
    run.mkdir()
    plugin(lib, "print(self.ctx.rank, flush=True); await trio.sleep_forever()")
    process = subprocess.Popen(
        [BOURN, "start", "-s4", "true"],
        env=environment(TMPDIR=str(run), PYTHONPATH=str(lib)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert {process.stdout.readline().strip() for _ in range(4)} == {"0", "1", "2", "3"}
    os.killpg(process.pid, signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert said.count("\n") <= 1, said
    assert not list(run.iterdir())


def test_a_rank_that_cannot_start_is_told_of_once(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    lib.mkdir()
    plugin(lib, "if self.ctx.rank: raise BournError('no luck here')")
    sh = Shell(None, TMPDIR=str(tmp_path), PYTHONPATH=str(lib))
    found = sh("bourn start -s4 --conf plugins.require='[\"slow\"]' bourn run -N4 true")
    assert found.code == 1
    assert found.err.count("\n") == 1, found.err
    assert re.fullmatch(r"bourn-start: error: .*rank [123]: .*no luck here\n", found.err), found.err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_instance_that_another_one_runs_ends_in_order(tmp_path: Path, signum: signal.Signals) -> None:
    # Its group is signalled as by a terminal, and then it is by the outer one, twice: all for one reason.
    dump, run = tmp_path / "inner.tar", tmp_path / "run"
    run.mkdir()
    inner = "bourn submit sleep 1000; echo; sleep 1000 & wait"
    process = subprocess.Popen(
        [BOURN, "start", BOURN, "start", f"-Sstore.dump={dump}", "sh", "-c", inner],
        env=environment(TMPDIR=str(run)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline()
    assert process.stdout.readline()
    os.killpg(process.pid, signum)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert dump.stat().st_size
    assert not list(run.iterdir())
