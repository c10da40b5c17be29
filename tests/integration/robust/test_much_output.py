"""A job that writes much, and readers that are slow: no memory grows with it, and no other job waits."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.robust.program import BOURN, Instance, until
from tests.integration.robust.test_ends import ended, host_pid, names, submit

LINE = "the quick brown fox jumps over the lazy dog, and then once more"
LIMIT = 40
"""MB by which a broker, a shell host or a client may grow."""
SIZES = [64, pytest.param(1000, marks=pytest.mark.slow)]


def write(size: int) -> list[str]:
    return ["sh", "-c", f"yes '{LINE}' | head -c {size}000000"]


def peak(pid: int) -> float:
    """Return the largest resident memory that a process ever had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


class Watched:
    """An instance whose broker's and shell host's memory mustn't grow."""

    def __init__(self, tmp: Path) -> None:
        self.instance = Instance(tmp, f"-Sstatedir={tmp}/state")
        ended(self.instance, submit(self.instance, "sh", "-c", "seq 1 10000", count=4))
        self.pids = self.instance.process.pid, host_pid(self.instance)
        self.before = [peak(pid) for pid in self.pids]

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        grown = [peak(pid) - before for pid, before in zip(self.pids, self.before, strict=True)]
        self.instance.end()
        assert max(grown) < LIMIT, f"broker and host grew by {grown} MB"

    def client(self, *words: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "BOURN_URI": self.instance.uri, "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen([BOURN, *words], stdout=subprocess.PIPE, env=env)


def read(client: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Read all that a client prints; return how much that was, and the client's largest memory in MB.

    What wait4 says of a process that was forked by a large one, as by pytest, is that one's memory.
    """
    assert client.stdout is not None
    total, largest = 0, 0.0
    while data := os.read(client.stdout.fileno(), 1 << 20):
        total += len(data)
        with suppress(StopIteration):  # it has ended
            largest = max(largest, peak(client.pid))
    client.stdout.close()
    assert client.wait() == 0
    return total, largest


@pytest.mark.parametrize("size", SIZES)
def test_through_the_store_to_a_client(tmp_path: Path, size: int) -> None:
    with Watched(tmp_path) as watched:
        total, memory = read(watched.client("run", *write(size)))
        assert total == size * 1_000_000
        assert memory < 60 + LIMIT


@pytest.mark.parametrize("size", SIZES)
def test_to_a_file(tmp_path: Path, size: int) -> None:
    with Watched(tmp_path) as watched:
        path = tmp_path / "out"
        read(watched.client("run", f"--output={path}", *write(size)))
        assert path.stat().st_size == size * 1_000_000
        path.unlink()


def test_a_reader_that_pauses_holds_up_nobody(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        instance = watched.instance
        (id,) = submit(instance, *write(64))
        clients = [watched.client("job", "attach", str(id)) for _ in range(3)]
        # One that is stopped in the middle of a write is told that it was cut short.
        for client in clients:
            assert client.stdout is not None
            os.read(client.stdout.fileno(), 1000)
            client.send_signal(signal.SIGSTOP)
        # It ends, and others run, though nobody reads what it writes.
        until(lambda: "clean" in names(instance, id), "the job ends")
        ended(instance, submit(instance, "true", count=50))
        for client in clients:
            client.send_signal(signal.SIGCONT)
        for client in clients:
            total, memory = read(client)
            assert total == 64_000_000 - 1000
            assert memory < 60 + LIMIT


def test_an_output_limit_is_said_and_the_job_goes_on(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        client = watched.client("run", "-o", "output.limit=1M", "sh", "-c", f"{write(8)[2]}; exit 3")
        assert client.stdout is not None
        said = client.stdout.read()
        client.stdout.close()
        assert client.wait() == 3
        assert len(said) == 1 << 20
