"""Output of one job: to a file, to the store, and to a client that reads meanwhile, against a bare pipe."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import report
from tests.bench.instance import bourn_command, drain, instance

if TYPE_CHECKING:
    import bourn

SIZE = 200
"""MB that the job writes."""
LINE = "the quick brown fox jumps over the lazy dog, and then once more"


def command(size: int = SIZE) -> list[str]:
    """Return a program that writes `size` MB of text as fast as it is taken."""
    return ["sh", "-c", f"yes '{LINE}' | head -c {size}000000"]


def bare(size: int = SIZE) -> float:
    """Return MB/s of the same program into a pipe whose reader copies it to a file, 64 KiB at a time."""
    with tempfile.TemporaryFile() as file:
        begin = time.perf_counter()
        with subprocess.Popen(command(size), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while data := os.read(process.stdout.fileno(), 1 << 16):
                os.write(file.fileno(), data)
        return size / (time.perf_counter() - begin)


def job(handle: bourn.Handle, size: int, **more: Any) -> float:
    """Return MB/s of a job that writes `size` MB."""
    from bourn.model.jobspec_build import from_command

    spec = from_command(command(size), environment={"PATH": "/usr/bin:/bin"}, cwd="/tmp", **more)
    begin = time.perf_counter()
    handle.rpc("job-ingest.submit", {"jobspecs": [spec], "jobs": [{"jobspec": 0}]}).get()
    drain(handle)
    return size / (time.perf_counter() - begin)


def client(uri: str, size: int) -> float:
    """Return MB/s of `bourn run` with its output going to a file."""
    with tempfile.TemporaryFile() as file:
        begin = time.perf_counter()
        subprocess.run(
            bourn_command("run", *command(size)),
            stdout=file,
            env={**os.environ, "BOURN_URI": uri},
            check=True,
        )
        took = time.perf_counter() - begin
        assert os.fstat(file.fileno()).st_size == size * 1_000_000
    return size / took


def main() -> None:
    """Print MB/s of each way, and the ratio to bare copies before and after."""
    name = "bare pipe to file"
    with tempfile.TemporaryDirectory() as folder, instance(statedir=folder) as (handle, _):
        path = Path(folder) / "out"
        loop = (bare() + bare()) / 2
        report.rate("output to a file", job(handle, SIZE, output=str(path)), "MB/s", loop, name)
        assert path.stat().st_size == SIZE * 1_000_000
        report.rate("output to the store", job(handle, SIZE), "MB/s", loop, name)
        uri = str(handle.rpc("attr.get", {"name": "local-uri"}).get()["value"])
        report.rate("output to the store and a client", client(uri, SIZE), "MB/s", loop, name)
