"""What a job writes: to a file, and through the store to `bourn run`, against a bare pipe."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

from tests.bench import report
from tests.bench.instance import bourn_command, instance

MB = 10**6
TO_FILE, TO_STORE = 1000, 200
LINE = "0123456789" * 6


def writer(megabytes: int) -> list[str]:
    """Return a command that writes lines of text."""
    return ["sh", "-c", f"yes {LINE} | head -c {megabytes * MB}"]


def pipe(megabytes: int) -> float:
    """Return the MB/s of the same command read by a bare loop."""
    begin = time.perf_counter()
    with subprocess.Popen(writer(megabytes), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while os.read(process.stdout.fileno(), 1 << 16):
            pass
    return megabytes / (time.perf_counter() - begin)


def main() -> None:
    """Print MB/s and their ratios."""
    with instance() as (handle, _), tempfile.TemporaryDirectory() as folder:
        env = {"BOURN_URI": handle.uri, "PATH": "/usr/bin:/bin"}
        for where, size, options in (
            ("to a file", TO_FILE, [f"--output={folder}/out"]),
            ("through the store", TO_STORE, []),
        ):
            bare = pipe(size)
            command = bourn_command("run", "--quiet", *options, *writer(size))
            begin = time.perf_counter()
            done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            rate = size / (time.perf_counter() - begin)
            if done.returncode:
                raise SystemExit(f"output: the job ended with {done.returncode}")
            report.rate(f"output: {size} MB {where}", rate, "MB/s", bare, "bare pipe")
