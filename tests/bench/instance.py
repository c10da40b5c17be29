"""A real instance in a process of its own, for a benchmark to talk to."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import bourn

if TYPE_CHECKING:
    from collections.abc import Iterator

SIXTEEN_CORES = 'resource.config=[{hosts="bench",cores="0-15"}]'
MOCK = 'exec.method="mock"'


def bourn_command(*args: str) -> list[str]:
    """Return the command line of this environment's `bourn`."""
    return [str(Path(sys.executable).with_name("bourn")), *args]


@contextmanager
def instance(*conf: str, statedir: str | None = None, brokers: int = 1) -> Iterator[tuple[bourn.Handle, int]]:
    """Start an instance with 16 made-up cores; yields a handle and the broker's pid; stops it at the end."""
    options = [f"--conf={item}" for item in (SIXTEEN_CORES, *conf)]
    if brokers > 1:
        options.append(f"--test-size={brokers}")
    if statedir:
        options.append(f"-Sstatedir={statedir}")
    command = bourn_command("start", *options, "--", "sh", "-c", "echo $BOURN_URI; exec cat")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        uri = process.stdout.readline().strip()
        if not uri:
            raise SystemExit("the instance did not start")
        with bourn.Handle(uri) as handle:
            yield handle, process.pid
        process.stdin.close()
        process.wait()


def jobspec(*command: str) -> dict[str, object]:
    """Return the jobspec of one task on one core."""
    from bourn.model.jobspec_build import from_command

    return from_command(list(command), environment={"PATH": "/usr/bin:/bin"}, cwd="/tmp")


def submit(handle: bourn.Handle, spec: dict[str, object], count: int) -> list[int]:
    """Submit `count` equal jobs in one request and return their ids."""
    reply = handle.rpc("job-ingest.submit", {"jobspecs": [spec], "jobs": [{"jobspec": 0}] * count}).get()
    ids: list[int] = reply["ids"]
    return ids


def drain(handle: bourn.Handle) -> None:
    """Wait until no job is active; the queue takes jobs again afterwards."""
    handle.rpc("job-manager.drain").get()
