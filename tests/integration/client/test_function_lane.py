"""Functions in warm workers, against a real instance of four made-up cores."""

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
from tests.integration.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with Instance(None, '--conf=resource.config=[{hosts="node0",cores="0-3"}]') as instance:
        yield instance.uri


@pytest.fixture(scope="module")
def executor(uri: str) -> Iterator[bourn.Executor]:
    with bourn.Executor(uri, workers=2) as found:
        yield found


@pytest.fixture(autouse=True)
def functions_of_a_module(monkeypatch, tmp_path) -> None:
    """Let workers import what the tests call."""
    monkeypatch.syspath_prepend(str(tmp_path))


def write_module(tmp_path: Path, name: str, text: str):
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    return __import__(name)


def test_calls_give_results(executor):
    assert executor.submit(pow, 3, 4).result() == 81
    assert executor.submit(sorted, [2, 1], reverse=True).result() == [2, 1]
    assert list(executor.map(pow, range(100), [2] * 100)) == [i * i for i in range(100)]
    assert list(executor.map(pow, range(100), [2] * 100, chunksize=7)) == [i * i for i in range(100)]


def test_large_arguments_and_results(executor):
    data = os.urandom(20 << 20)
    assert executor.submit(bytes, data).result() == data


def test_wait_and_as_completed(executor):
    futures = [executor.submit(abs, -i) for i in range(50)]
    assert {future.result() for future in concurrent.futures.as_completed(futures)} == set(range(50))


def test_an_exception_comes_with_the_workers_traceback(executor):
    future = executor.submit(int, "seven")
    assert isinstance(future.exception(), ValueError)
    assert "invalid literal" in str(future.exception().__cause__)


def test_an_unpicklable_result_names_its_type(executor):
    with pytest.raises(bourn.BournError, match=r"what \S+lock\(\) returned, a lock, can't be sent"):
        executor.submit(__import__("threading").Lock).result()


def test_exit_in_a_call_ends_the_call_only(executor):
    future = executor.submit(sys.exit, 3)
    assert isinstance(future.exception(), SystemExit)
    assert executor.submit(abs, -1).result() == 1


def test_a_worker_that_dies_fails_its_call_and_is_replaced(uri):
    with bourn.Executor(uri, workers=1) as executor:
        futures = [executor.submit(abs, -1), executor.submit(os._exit, 3), executor.submit(abs, -2)]
        assert futures[0].result() == 1
        with pytest.raises(bourn.WorkerLost, match=r"ran posix\._exit\(\), job .*, exited with status 3"):
            futures[1].result()
        assert futures[2].result() == 2
        first = executor.submit(os.getpid).result()
        with pytest.raises(bourn.WorkerLost, match="was killed by signal 9"):
            executor.submit(os.kill, first, signal.SIGKILL).result()
        assert executor.submit(os.getpid).result() != first


def test_a_lost_call_is_retried(uri, tmp_path, monkeypatch):
    module = write_module(
        tmp_path,
        "lane_retry",
        """
        import os
        def second_time_lucky(path):
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return "done"
            os._exit(1)
        """,
    )
    with bourn.Executor(uri, workers=1, retries=1) as executor:
        assert executor.submit(module.second_time_lucky, str(tmp_path / "mark")).result() == "done"


def test_calls_do_not_wait_behind_a_long_one(uri, tmp_path):
    """Many short calls teach the worker's pace; then one that lasts until those sent with it are done."""
    module = write_module(
        tmp_path,
        "lane_long",
        """
        import os
        def until(paths):
            while not all(os.path.exists(path) for path in paths):
                pass
        def touch(path):
            open(path, "w").close()
        """,
    )
    with bourn.Executor(uri, workers=2) as executor:
        assert len(list(executor.map(abs, range(2000)))) == 2000
        paths = [str(tmp_path / f"mark{i}") for i in range(40)]
        long = executor.submit(module.until, paths)
        rest = [executor.submit(module.touch, path) for path in paths]
        assert long.result() is None
        assert [future.result() for future in rest] == [None] * 40


def test_cancel_and_shutdown(uri, tmp_path):
    module = write_module(
        tmp_path,
        "lane_gate",
        """
        def read(path):
            with open(path) as file:
                return file.read()
        """,
    )
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    executor = bourn.Executor(uri, workers=1)
    running = executor.submit(module.read, str(gate))
    waiting = [executor.submit(abs, i) for i in range(5)]
    assert waiting[0].cancel()
    assert waiting[0].cancelled()
    with open(gate, "w") as file:  # returns once the call has begun
        assert not running.cancel()
        executor.shutdown(wait=False, cancel_futures=True)
        file.write("opened")
    executor.shutdown()
    assert running.result() == "opened"
    assert all(future.done() for future in waiting)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(abs, 1)


def test_the_initializer_runs_first(uri):
    with bourn.Executor(uri, workers=1, initializer=os.putenv, initargs=("LANE", "set")) as executor:
        assert executor.submit(subprocess.getoutput, "echo $LANE").result() == "set"


def test_an_initializer_that_fails_breaks_the_lane(uri):
    with bourn.Executor(uri, workers=1, initializer=int, initargs=("x",)) as executor:
        with pytest.raises(concurrent.futures.BrokenExecutor, match="initializer failed: ValueError"):
            executor.submit(abs, 1).result()
        with pytest.raises(concurrent.futures.BrokenExecutor):
            executor.submit(abs, 1).result()


def test_workers_that_do_not_start_are_given_up(uri):
    with bourn.Executor(uri, workers=1, environment={"PYTHONHOME": "/nonexistent"}) as executor:  # noqa: SIM117
        with pytest.raises(concurrent.futures.BrokenExecutor, match="function workers don't start: job ƒ"):
            executor.submit(abs, 1).result()


def test_workers_that_can_never_be_placed_are_refused(uri):
    with bourn.Executor(uri, workers=1, cores_per_worker=64) as executor:  # noqa: SIM117
        with pytest.raises(concurrent.futures.BrokenExecutor, match="a function worker is refused"):
            executor.submit(abs, 1).result()
    with (
        bourn.Executor(uri, cores_per_worker=64) as executor,
        pytest.raises(bourn.BournError, match="4 cores"),
    ):
        executor.submit(abs, 1)


def test_an_idle_worker_gives_its_cores_back(uri):
    with bourn.Handle(uri) as h, bourn.Executor(uri, workers=1, idle_timeout=0) as executor:
        first = executor.submit(os.getenv, "BOURN_JOB_ID").result()
        assert bourn.job.result(h, first).returncode == 0
        assert executor.submit(os.getenv, "BOURN_JOB_ID").result() != first


def test_bad_options_are_refused_at_once(uri):
    with pytest.raises(bourn.BournError, match="idle_timeout must be seconds >= 0, or None, not -1"):
        bourn.Executor(uri, idle_timeout=-1)
    with pytest.raises(bourn.BournError, match=r"unknown argument 'quue'.*'queue'"):
        bourn.Executor(uri, quue="batch")
    with pytest.raises(bourn.BournError, match="workers must be an integer >= 1, not 0"):
        bourn.Executor(uri, workers=0)


SCRIPT = """\
import os, sys
import bourn

class Point:
    def __init__(self, x):
        self.x = x

def double(point):
    return Point(2 * point.x)

if __name__ == "__main__":
    with bourn.Executor(workers=1) as executor:
        print(executor.submit(double, Point(21)).result().x, flush=True)
        if sys.argv[1:]:
            print(executor.submit(os.getpid).result(), flush=True)
            executor.submit(os.read, os.open(sys.argv[1], os.O_RDWR), 1)
            executor.submit(open, sys.argv[1]).result()
"""


def test_functions_and_classes_of_a_script(uri, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    found = subprocess.run(
        [sys.executable, script], env={**os.environ, "BOURN_URI": uri}, capture_output=True, text=True
    )
    assert (found.stdout, found.stderr) == ("42\n", "")


def test_workers_end_with_a_program_that_is_killed(uri, tmp_path):
    """Even one that is in the middle of a call."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    fifo = tmp_path / "never"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [sys.executable, script, fifo],
        env={**os.environ, "BOURN_URI": uri},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "42\n"
        worker = os.pidfd_open(int(program.stdout.readline()))
        program.kill()
    import select

    poll = select.poll()
    poll.register(worker, select.POLLIN)
    assert poll.poll(30_000)
    os.close(worker)


def test_a_stranger_gets_nowhere(executor):
    import socket

    executor.submit(abs, 1).result()
    lane = executor._functions
    path = lane._door.path
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.connect(path)
        stranger.sendall(bytes(40))
        assert stranger.recv(100) == b""


def test_a_worker_elsewhere_says_so(tmp_path):
    command = [sys.executable, "-m", "bourn.client.worker", str(tmp_path / "none" / "socket"), "far-away"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 1
    assert "the program that it is to serve runs on far-away" in found.stderr


def test_a_script_without_a_guard_is_told_so(uri, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import bourn\n\ndef square(x):\n    return x * x\n\n"
        "with bourn.Executor() as executor:\n    print(executor.submit(square, 3).result(60))\n"
    )
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, "BOURN_URI": uri}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        f"{script} makes an Executor when a worker imports it; what only the program itself is to do belongs "
        "under: if __name__ == '__main__':"
    )
