from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from bourn.broker.initial import InitialProgram, StartFailed, environment


def test_the_environment_is_ours_without_what_describes_a_job() -> None:
    before = {"HOME": "/root", "BOURN_JOB_ID": "1", "PMI_FD": "3", "BOURN_URI": "old", "BOURN_CONF": "x"}
    assert environment(before, "local:///x") == {
        "HOME": "/root",
        "BOURN_URI": "local:///x",
        "BOURN_CONF": "x",
        "BOURN_PARENT_JOB_ID": "1",
    }


def test_bourn_is_found_from_an_environment_that_is_not_activated() -> None:
    here = str(Path(sys.executable).parent)
    assert environment({"PATH": "/nowhere"}, "x")["PATH"] == f"/nowhere:{here}"
    assert environment({"PATH": f"/nowhere:{here}"}, "x")["PATH"] == f"/nowhere:{here}"


@pytest.mark.parametrize(
    ("code", "status"),
    [("pass", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_the_status_is_that_of_a_shell(code: str, status: int) -> None:
    async def run() -> int:
        return await InitialProgram([sys.executable, "-c", code], {}).run(trio.Event())

    assert trio.run(run) == status


@pytest.mark.parametrize(("command", "status"), [("/no/such", 127), ("/etc/passwd", 126)])
def test_a_program_that_cannot_be_run(command: str, status: int) -> None:
    async def run() -> None:
        with pytest.raises(StartFailed, match=command) as caught:
            await InitialProgram([command], {}).run(trio.Event())
        assert caught.value.status == status

    trio.run(run)
