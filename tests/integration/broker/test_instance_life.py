from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bourn.broker.start import StartOptions, run_start
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator

BARE = [sys.executable, str(Path(__file__).with_name("bare_instance.py"))]


class Place:
    """A directory in which instances run, and from which they have to be gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {**os.environ, "TMPDIR": str(path), "BOURN_JOB_ID": "", "SHELL": "/bin/sh"}
        for name in ("XDG_RUNTIME_DIR", "BOURN_URI"):
            self.env.pop(name, None)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*BARE, *command],
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start an instance and wait for a line from its program."""
        process = subprocess.Popen(
            [*BARE, *command],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        self.first_line = process.stdout.readline().strip()
        return process


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    assert list(tmp_path.iterdir()) == [], "an instance left something behind"


def ends(pid: int) -> bool:
    """Return whether a process has ended, or does within seconds: one that is killed takes a moment."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 10)[0])
    finally:
        os.close(pidfd)


@pytest.mark.parametrize(
    ("command", "status"),
    [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137)],
)
def test_the_status_is_the_programs(place: Place, command: list[str], status: int) -> None:
    done = place.run(*command)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


@pytest.mark.parametrize(
    ("command", "status", "reason"),
    [("no-such-program", 127, "command not found"), ("/etc/passwd", 126, "Permission denied")],
)
def test_a_program_that_cannot_run(place: Place, command: str, status: int, reason: str) -> None:
    done = place.run(command)
    assert (done.returncode, done.stderr) == (status, f"bourn-start: error: {command}: {reason}\n")


def test_the_program_finds_its_instance(place: Place) -> None:
    script = """
import bourn, os
with bourn.Handle() as h:
    attrs = h.rpc("attr.list").get()["attrs"]
    print(attrs["rank"], attrs["size"], attrs["instance-level"], h.rpc("broker.uptime").get()["state"])
    print(attrs["local-uri"] == os.environ["BOURN_URI"], int(attrs["broker.pid"]) == os.getppid())
"""
    done = place.run(sys.executable, "-c", script)
    assert done.stdout == "0 1 0 run\nTrue True\n", done.stderr


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_it_cleanly(place: Place, signum: signal.Signals, status: int) -> None:
    process = place.start("sh", "-c", "sleep 1000 & echo $!; wait")
    process.send_signal(signum)
    process.communicate()
    assert process.returncode == status
    assert ends(int(place.first_line))


def test_a_second_signal_ends_it_at_once(place: Place) -> None:
    stubborn = "trap 'echo first' TERM; trap '' HUP; echo $$; while :; do sleep 1000 & wait; done"
    process = place.start("sh", "-c", stubborn)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert ends(int(place.first_line))


def test_what_the_program_left_running_is_ended(place: Place) -> None:
    process = place.start("sh", "-c", "sleep 1000 & echo $!")
    process.communicate()
    assert process.returncode == 0
    assert ends(int(place.first_line))


def test_shutdown_by_request(place: Place) -> None:
    script = "import bourn, time\nh = bourn.Handle()\nh.rpc('broker.shutdown').get()\ntime.sleep(1000)"
    done = place.run(sys.executable, "-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_given_rundir_is_left_as_it_was(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    rundir = tmp_path_factory.mktemp("r")
    (rundir / "mine").touch()
    assert place.run("-S", f"rundir={rundir}", "true").returncode == 0
    assert [path.name for path in rundir.iterdir()] == ["mine"]


def test_state_directory_trouble_is_one_line(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("s") / "file"
    file.touch()
    done = place.run("-S", f"statedir={file}", "true")
    assert (done.returncode, done.stderr) == (1, f"bourn-start: error: statedir {file}: not a directory\n")
    done = place.run("-S", "rank=3", "true")
    assert done.stderr == "bourn-start: error: -S rank=3: the broker sets this attribute itself\n"
    done = place.run("-S", "log-stderr-level=loud", "true")
    assert "log-stderr-level 'loud': no such level" in done.stderr


@pytest.mark.parametrize("size", [0, -1])
def test_an_instance_has_at_least_one_broker(size: int) -> None:
    with pytest.raises(BournError, match=f"--test-size {size}: must be at least 1"):
        run_start(StartOptions(["true"], test_size=size))


def test_an_interrupt_from_the_terminal_is_the_programs_affair(place: Place) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        script = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.01; done"
        os.execve(BARE[0], [*BARE, "sh", "-c", script], place.env)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    try:
        while piece := os.read(terminal, 1024):
            seen += piece
    except OSError:
        pass
    os.close(terminal)
    assert b"caught" in seen
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
