"""However an instance or a shell host ends: jobs end in words, and no process and no file is left."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bourn.model.jobspec_build import from_command
from tests.integration.robust.program import BOURN, FOUR, Instance, processes_with, until

JOBS = 3


def submit(instance: Instance, *command: str, count: int = 1) -> list[int]:
    spec = from_command(
        list(command), environment={"PATH": "/usr/bin:/bin", "MARK": instance.tmp.name}, cwd="/"
    )
    with instance.handle() as handle:
        body = {"jobspecs": [spec], "jobs": [{"jobspec": 0}] * count}
        ids: list[int] = handle.rpc("job-ingest.submit", body).get()["ids"]
    return ids


def names(instance: Instance, id: int) -> list[str]:
    return [entry["name"] for entry in events(instance, id)]


def events(instance: Instance, id: int) -> list[dict[str, Any]]:
    with instance.handle() as handle:
        text = handle.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"]}).get()["eventlog"]
    return [json.loads(line) for line in text.splitlines()]


def running(instance: Instance, ids: list[int]) -> None:
    until(lambda: all("start" in names(instance, id) for id in ids), "jobs start")


def ended(instance: Instance, ids: list[int]) -> None:
    until(lambda: all("clean" in names(instance, id) for id in ids), "jobs end")


def host_pid(instance: Instance) -> int:
    with instance.handle() as handle:
        (host,) = handle.rpc("shell-manager.stats").get()["hosts"]
    return int(host["pid"])


def nothing_left(instance: Instance, *also: str) -> None:
    left = [path.name for path in instance.tmp.iterdir() if path.name not in ("stderr", "state", *also)]
    assert left == [], left
    until(
        lambda: not processes_with(instance.tmp.name),
        f"processes end: {processes_with(instance.tmp.name)}",
        15,
    )
    state = instance.tmp / "state"
    if state.exists():
        assert sorted(path.name for path in state.iterdir()) == ["bourn.sqlite", *sorted(also), "lock"]


@pytest.fixture(params=["memory", "statedir"])
def words(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    return [f"-Sstatedir={tmp_path}/state"] if request.param == "statedir" else []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_with_jobs_running(tmp_path: Path, words: list[str], signum: signal.Signals) -> None:
    instance = Instance(tmp_path, *words)
    running(instance, submit(instance, "sleep", "300", count=JOBS))
    submit(instance, "sleep", "300", count=JOBS)
    instance.signal(signum)
    assert instance.wait() == 128 + signum
    assert instance.trouble == ""
    nothing_left(instance)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, words: list[str], signum: signal.Signals) -> None:
    instance = Instance(tmp_path, *words, "--conf=exec.kill-timeout=3600", "--conf=exec.linger=2s")
    ids = submit(instance, "sh", "-c", "trap '' TERM; sleep 300 & wait; wait; sleep 300", count=JOBS)
    running(instance, ids)
    instance.signal(signum)
    until(lambda: any("exception" in names(instance, id) for id in ids), "the first signal is acted upon")
    instance.signal(signum)
    assert instance.wait() == 128 + signum
    until(lambda: not processes_with(instance.tmp.name), "the shell host ends after its linger time")
    until(lambda: not list(tmp_path.glob("state/*.sock")), "no socket is left")
    # What wasn't folded into the database waits for the next start.
    nothing_left(instance, *(path.name for path in tmp_path.glob("state/bourn.sqlite-*")))


def test_jobs_that_ignore_sigterm_are_killed(tmp_path: Path, words: list[str]) -> None:
    instance = Instance(tmp_path, *words, "--conf=exec.kill-timeout=0.2")
    ids = submit(instance, "sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done", count=JOBS)
    running(instance, ids)
    instance.signal(signal.SIGTERM)
    assert instance.wait() == 128 + signal.SIGTERM
    nothing_left(instance)


def test_the_end_of_the_program_ends_the_jobs(tmp_path: Path, words: list[str]) -> None:
    instance = Instance(tmp_path, *words)
    running(instance, submit(instance, "sleep", "300", count=JOBS))
    assert instance.end() == 0
    nothing_left(instance)


def test_shutdown(tmp_path: Path, words: list[str]) -> None:
    instance = Instance(tmp_path, *words)
    running(instance, submit(instance, "sleep", "300", count=JOBS))
    assert instance.bourn("shutdown").returncode == 0
    assert instance.wait() == 0
    assert instance.trouble == ""
    nothing_left(instance)


def test_processes_that_leave_their_group_are_found(tmp_path: Path, words: list[str]) -> None:
    words = [*words, "--conf=exec.kill-timeout=0.5"]
    instance = Instance(tmp_path, *words)
    flee = "import os, time\nif os.fork(): time.sleep(300)\nos.setsid()\nif os.fork(): os._exit(0)\nprint('gone', flush=True)\ntime.sleep(300)"
    (id,) = submit(instance, sys.executable, "-c", flee)
    with instance.handle() as handle:
        output = handle.rpc("job-info.eventlog-watch", {"id": id, "path": "guest.output"}, streaming=True)
        until(lambda: "gone" in str(output.get()), "it has fled")
    assert instance.end() == 0
    nothing_left(instance)


def test_the_terminal_goes_away(tmp_path: Path) -> None:
    """A shell on a terminal whose window is closed: SIGHUP to all that are in front."""
    pid, fd = pty.fork()
    if not pid:
        without = {k: v for k, v in os.environ.items() if k not in ("XDG_RUNTIME_DIR", "BOURN_URI")}
        env = {**without, "TMPDIR": str(tmp_path), "SHELL": "/bin/sh", "MARK": tmp_path.name}
        os.execve(BOURN, [BOURN, "start", FOUR], env)
    os.write(fd, f"{BOURN} submit sleep 300 && {BOURN} getattr local-uri && echo re''ady\n".encode())
    seen = b""
    while b"ready" not in seen:
        seen += os.read(fd, 4096)
    os.close(fd)
    os.waitpid(pid, 0)
    until(lambda: not processes_with(tmp_path.name), "all processes end")
    assert list(tmp_path.iterdir()) == []


def test_a_shell_host_is_killed(tmp_path: Path, words: list[str]) -> None:
    with Instance(tmp_path, *words) as instance:
        ids = submit(instance, "sleep", "300", count=4)
        running(instance, ids)
        waiting = submit(instance, "true", count=2)
        os.kill(host_pid(instance), signal.SIGKILL)
        ended(instance, [*ids, *waiting])
        for id in ids:
            (exception,) = [e["context"] for e in events(instance, id) if e["name"] == "exception"]
            assert exception["type"] == "exec"
            assert "died" in exception["note"]
            assert "free" in names(instance, id)
        for id in waiting:
            assert "exception" not in names(instance, id)
        until(lambda: not processes_with("sleep\0300"), "the jobs' processes are killed")
        ended(instance, submit(instance, "true"))
        assert instance.end() == 0
    nothing_left(instance)


def test_a_shell_host_is_stopped(tmp_path: Path, words: list[str]) -> None:
    """It hangs; nothing else does; it goes on when it's woken; if it isn't, the end kills it."""
    with Instance(tmp_path, *words, "--conf=exec.kill-timeout=0.2") as instance:
        ids = submit(instance, "sleep", "300", count=JOBS)
        running(instance, ids)
        pid = host_pid(instance)
        os.kill(pid, signal.SIGSTOP)
        late = submit(instance, "true")
        for line in ("jobs", "cancel --all", "queue status", "resource list", "kvs put a=1", "uptime"):
            assert instance.bourn(line).returncode == 0, line
        os.kill(pid, signal.SIGCONT)
        ended(instance, [*ids, *late])
        more = submit(instance, "sleep", "300", count=JOBS)
        running(instance, more)
        os.kill(pid, signal.SIGSTOP)
        assert instance.end() == 0
    nothing_left(instance)


def test_the_next_broker_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    words = [f"-Sstatedir={tmp_path}/state"]
    first = Instance(tmp_path, *words)
    ids = submit(first, "sh", "-c", "sleep 1; echo out", count=JOBS)
    running(first, ids)
    first.kill()
    assert first.rundir.exists()
    with Instance(tmp_path, *words) as second:
        ended(second, ids)
        assert not first.rundir.exists()
        for id in ids:
            assert "exception" not in names(second, id)
            assert second.bourn(f"job attach {id}").stdout == "out\n"
        assert second.end() == 0
    nothing_left(second)


def test_a_killed_broker_without_a_state_directory_leaves_no_process(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    running(instance, submit(instance, "sleep", "300", count=JOBS))
    instance.kill()
    until(lambda: not processes_with(tmp_path.name), f"processes end: {processes_with(tmp_path.name)}")


def test_a_shell_host_ends_when_no_broker_comes_back(tmp_path: Path) -> None:
    instance = Instance(tmp_path, f"-Sstatedir={tmp_path}/state", "--conf=exec.linger=0.5s")
    running(instance, submit(instance, "sleep", "300", count=JOBS))
    instance.kill()
    until(lambda: not processes_with(tmp_path.name), f"processes end: {processes_with(tmp_path.name)}")
    assert not list(tmp_path.glob("state/*.sock"))


def test_nothing_is_printed_when_all_is_well(tmp_path: Path) -> None:
    with Instance(tmp_path) as instance:
        ended(instance, submit(instance, "true", count=200))
        assert instance.end() == 0
    assert instance.trouble == ""
    assert subprocess.run(["true"], check=True).returncode == 0
