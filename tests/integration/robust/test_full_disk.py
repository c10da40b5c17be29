"""A full disk under a whole instance: new work is refused in words, the rest goes on, nothing is lost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING

import pytest

from bourn.errors import BournError
from bourn.model.jobspec_build import from_command
from tests.integration.robust.program import Instance, processes_with, start, until
from tests.soak.eventlog import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    import bourn


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB on which the state directory lies."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small tmpfs can't be mounted here: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def spec(*command: str) -> dict[str, object]:
    return from_command(list(command), environment={"PATH": "/usr/bin:/bin"}, cwd="/")


def submit(handle: bourn.Handle, jobspec: dict[str, object], count: int = 1) -> list[int]:
    body = {"jobspecs": [jobspec], "jobs": [{"jobspec": 0}] * count}
    ids: list[int] = handle.rpc("job-ingest.submit", body).get(timeout=60)["ids"]
    return ids


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 4096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def eventlog(handle: bourn.Handle, id: int) -> str:
    text: str = handle.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"]}).get(timeout=60)["eventlog"]
    return text


def check(handle: bourn.Handle, ids: list[int]) -> None:
    wrong = []
    for id in ids:
        log = eventlog(handle, id)
        wrong += [f"{id}: {fault}" for fault in faults(log)]
        if '"clean"' not in log or '"exception"' in log or '"status":0' not in log:
            wrong.append(f"{id}: {log}")
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("synchronous", ["normal", "full"])
def test_a_full_disk_stops_new_work_only(tmp_path: Path, disk: Path, synchronous: str) -> None:
    words = [f"-Sstatedir={disk}/state", f"--conf=store.synchronous={synchronous}"]
    with Instance(tmp_path, *words) as instance, instance.handle() as handle:
        go = tmp_path / "go"
        done = tmp_path / "done"
        wait = f"while ! test -e {go}; do sleep 0.05; done; echo hello; echo x >>{done}"
        running = submit(handle, spec("sh", "-c", wait), 4)
        waiting = submit(handle, spec("true"), 20)
        until(lambda: len(handle.rpc("job-manager.stats").get()) and runs(handle) == 4, "4 jobs run")
        ballast = fill(disk)
        for _ in range(200):
            try:
                waiting += submit(handle, spec("true"), 20)
            except BournError as error:
                message = error.message
                break
        assert f"No space left on {disk}/state: " in message
        shown = instance.bourn("submit true")
        assert (shown.returncode, shown.stdout) == (1, "")
        assert f"No space left on {disk}/state: " in shown.stderr
        assert shown.stderr.count("\n") == 1
        # Those that run finish, and what doesn't write is answered.
        go.touch()
        until(lambda: done.exists() and done.read_text().count("x") == 4, "the running jobs end")
        for line in (
            "jobs -a",
            "kvs ls",
            "resource list",
            "queue status",
            "uptime",
            "module list",
            "getattr rank",
        ):
            shown = instance.bourn(line)
            assert shown.returncode == 0, (line, shown.stderr)
        # More than might still find room in what is allocated.
        reason = "broken" * 2000
        for line in (f"kvs put a={reason}", f"resource drain 0 {reason}", f"job urgency {waiting[-1]} 20"):
            shown = instance.bourn(line)
            assert (shown.returncode, shown.stderr.count("\n")) == (1, 1), (line, shown)
            assert "No space left on" in shown.stderr, shown.stderr
        ballast.unlink()
        handle.rpc("job-manager.drain").get(timeout=60)
        check(handle, running + waiting)
        assert submit(handle, spec("true"))
        for line in ("kvs put a=1", "resource drain 0 broken", "resource undrain 0", "run true"):
            assert instance.bourn(line).returncode == 0, line
        assert instance.bourn(f"job attach {running[0]}").stdout == "hello\n"
        assert "Traceback" not in instance.trouble, instance.trouble
        assert instance.end() == 0
    with Instance(tmp_path, *words) as again, again.handle() as handle:
        check(handle, running + waiting)
        assert again.end() == 0


def runs(handle: bourn.Handle) -> int:
    count: int = handle.rpc("job-manager.stats").get()["states"]["run"]
    return count


def test_a_flood_of_output_fills_the_disk(tmp_path: Path, disk: Path) -> None:
    """The flooding job waits for room; it can be cancelled; others are told; purging makes room."""
    with Instance(tmp_path, f"-Sstatedir={disk}/state") as instance, instance.handle() as handle:
        first = submit(handle, spec("true"), 10)
        handle.rpc("job-manager.drain").get(timeout=60)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(5 << 19))
        (flood,) = submit(handle, spec("sh", "-c", "exec yes 0123456789012345678901234567890123456789"))

        def full() -> bool:
            try:
                submit(handle, spec("true"))
            except BournError as error:
                assert "No space left on" in error.message  # noqa: PT017
                return True
            return False

        until(full, "the disk is full")
        assert instance.bourn("jobs -a").returncode == 0
        shown = instance.bourn(f"cancel {flood}")
        assert "not written yet: No space left on" in shown.stderr, shown
        until(lambda: not processes_with("0123456789012345678901234567890123456789"), "the job is ended")
        ballast.unlink()
        until(lambda: '"clean"' in eventlog(handle, flood), "its end is written")
        assert faults(eventlog(handle, flood)) == []
        check(handle, first)
        assert "Traceback" not in instance.trouble, instance.trouble
        assert instance.end() == 0


def test_a_full_disk_at_the_end(tmp_path: Path, disk: Path) -> None:
    """The instance ends all the same, and the next one, with room, goes on."""
    words = [f"-Sstatedir={disk}/state"]
    with Instance(tmp_path, *words) as instance, instance.handle() as handle:
        ids = submit(handle, spec("sleep", "300"), 2)
        until(lambda: all('"start"' in eventlog(handle, id) for id in ids), "2 jobs run")
        ballast = fill(disk)
        assert instance.end() == 0
        assert "Traceback" not in instance.trouble, instance.trouble
    ballast.unlink()
    with Instance(tmp_path, *words) as again, again.handle() as handle:
        handle.rpc("job-manager.drain").get(timeout=60)
        for id in ids:
            assert faults(eventlog(handle, id)) == []
            assert '"clean"' in eventlog(handle, id)
        assert again.end() == 0


def test_a_full_disk_at_the_start(tmp_path: Path, disk: Path) -> None:
    """It starts or says why not."""
    fill(disk)
    done = start(f"-Sstatedir={disk}/state", "--", "true")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "No space left on" in done.stderr
