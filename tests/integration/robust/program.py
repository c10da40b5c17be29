"""`bourn start` as a process of its own, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import bourn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BOURN", "Instance", "processes_with", "start", "until"]

BOURN = str(Path(sys.executable).with_name("bourn"))
FOUR = '--conf=resource.config=[{hosts="node0",cores="0-3"}]'


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for something that other processes do; a deadline only ends a test that has failed."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.01)


def start(
    *words: str, env: Mapping[str, str] | None = None, **more: object
) -> subprocess.CompletedProcess[str]:
    """Run `bourn start` to its end."""
    return subprocess.run(
        [BOURN, "start", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


class Instance:
    """An instance that lives until its standard input ends; `tmp` is where its run directory lies."""

    def __init__(
        self, tmp: Path, *words: str, env: Mapping[str, str] | None = None, cores: str = FOUR
    ) -> None:
        self.tmp = tmp
        self.log = tmp / "stderr"
        command = [BOURN, "start", cores, *words, "--", "sh", "-c", "echo $BOURN_URI; exec cat"]
        without = {k: v for k, v in os.environ.items() if k not in ("XDG_RUNTIME_DIR", "BOURN_URI")}
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**without, "TMPDIR": str(tmp), "PYTHONWARNINGS": "default", **(env or {})},
            )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()
        assert self.uri, f"the instance did not start: {self.log.read_text()}"
        self.rundir = Path(self.uri.removeprefix("local://")).parent

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()

    def handle(self) -> bourn.Handle:
        return bourn.Handle(self.uri)

    def bourn(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command line, split at blanks."""
        done = subprocess.run(
            [BOURN, *line.split()],
            env={**os.environ, "BOURN_URI": self.uri, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def end(self) -> int:
        """End it as its user would; return the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.wait()

    def signal(self, signum: int) -> None:
        os.kill(self.process.pid, signum)

    def wait(self) -> int:
        status = self.process.wait(40)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return status

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    @property
    def trouble(self) -> str:
        """What it printed to standard error."""
        return self.log.read_text()


def processes_with(text: str) -> list[str]:
    """Return the command lines, or environments, of the processes in which `text` stands."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if int(pid) != os.getpid() and text.encode() in command + b"\0" + environ:
            found.append(f"{pid}: {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found
