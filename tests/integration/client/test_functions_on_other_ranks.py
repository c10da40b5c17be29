"""Functions in workers that no socket of the program's host can reach, on an instance of three brokers.

All brokers are on this host: the program believes that it is on another, so that each worker must come over
its own broker.
"""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bourn
from bourn.client.pipe import Pipe

if TYPE_CHECKING:
    from collections.abc import Iterator

BOURN = str(Path(sys.executable).with_name("bourn"))


@pytest.fixture
def uri() -> Iterator[str]:
    config = 'resource.config=[{hosts="n[0-2]",cores="0"}]'
    command = [BOURN, "start", "--test-size=3", "--conf", config, "--", "sh", "-c", "echo $BOURN_URI; cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait()


@pytest.fixture(autouse=True)
def the_program_is_elsewhere(monkeypatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A module with `meet(folder, me, wanted)`: returns this rank's address once so many have come."""
    (tmp_path / "ranks_gate.py").write_text(
        textwrap.dedent(
            """
            import os
            def meet(folder, me, wanted):
                open(os.path.join(folder, me), "w").close()
                while len(os.listdir(folder)) < wanted:
                    pass
                return os.environ["BOURN_URI"]
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "met").mkdir()
    return __import__("ranks_gate")


def test_calls_run_on_all_ranks(uri, tmp_path, gate):
    with bourn.Executor(uri) as executor:
        met = [executor.submit(gate.meet, str(tmp_path / "met"), str(i), 3) for i in range(3)]
        assert len({future.result() for future in met}) == 3
        assert sum(executor.map(abs, range(5000))) == sum(range(5000))
        assert "invalid literal" in str(executor.submit(int, "seven").exception().__cause__)
        assert executor.submit(os.getenv, "BOURN_CALLS_TOKEN").result() is None
        # Far more than may be on its way at a time, both ways, with several at once.
        data = [os.urandom(15 << 20) for _ in range(3)]
        assert list(executor.map(bytes, data)) == data
    with bourn.Handle(uri) as h:
        h.rpc("job-manager.drain").get()
        found = bourn.JobList(h).jobs()
        assert {job.status for job in found} == {"COMPLETED"}


def test_a_worker_that_dies_fails_its_call_and_is_replaced(uri):
    with bourn.Executor(uri, workers=1) as executor:
        with pytest.raises(bourn.WorkerLost, match=r"ran posix\._exit\(\), job .*, exited with status 3"):
            executor.submit(os._exit, 3).result()
        assert executor.submit(abs, -2).result() == 2


@pytest.mark.parametrize("retries", [0, 1])
def test_calls_on_a_rank_that_is_lost(uri, tmp_path, gate, retries):
    met = str(tmp_path / "met")
    with bourn.Handle(uri) as h, bourn.Executor(uri, retries=retries) as executor:
        addresses = [executor.submit(gate.meet, met, str(i), 3) for i in range(3)]
        assert len({future.result() for future in addresses}) == 3
        waiting = [executor.submit(gate.meet, met, f"again{i}", 7) for i in range(3)]
        while len(os.listdir(met)) < 6:
            assert not any(future.done() for future in waiting)
        broker = int(h.rpc("attr.get", {"name": "broker.pid"}, nodeid=2).get()["value"])
        os.kill(broker, signal.SIGKILL)
        if not retries:
            done, _ = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            assert len(done) == 1
        (Path(met) / "go").touch()
        ends = [future.exception() for future in waiting]
        assert [type(end) for end in ends if end is not None] == [bourn.WorkerLost] * (1 - retries)
        assert executor.submit(abs, -1).result() == 1


def test_a_stranger_gets_nowhere(uri):
    with bourn.Executor(uri, workers=1) as executor, bourn.Handle(uri) as h:
        assert executor.submit(abs, -1).result() == 1
        assert executor._functions is not None
        with pytest.raises(bourn.RPCError, match="this pipe isn't for you"):
            Pipe(h, executor._functions._service, 0, "0" * 64, 0)
        assert executor.submit(abs, -1).result() == 1
