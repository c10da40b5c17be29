"""Small function calls through warm workers, beside the standard library's process pool in the same run.

Workers of other ranks are those of a program that believes that it is on another host.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING
from unittest.mock import patch

import bourn
from tests.bench import report
from tests.bench.instance import instance

if TYPE_CHECKING:
    import concurrent.futures

WORKERS = 2
COUNT = 20_000


def main() -> None:
    """Print calls/s of `abs`: all submitted at once, in chunks of 100, and one at a time."""
    with ProcessPoolExecutor(WORKERS) as pool:
        bare = rates(pool)
    with instance() as (handle, _), bourn.Executor(handle.uri, workers=WORKERS) as executor:
        ours = rates(executor)
    with (
        patch("socket.gethostname", lambda: "elsewhere"),
        instance(brokers=WORKERS + 1) as (handle, _),
        bourn.Executor(handle.uri, workers=WORKERS) as executor,
    ):
        far = rates(executor)
    for what, rates_ in (("", ours), (", other ranks", far)):
        for name, rate in rates_.items():
            report.rate(f"functions{what}: {name}", rate, "calls/s", bare[name], "ProcessPoolExecutor")


def rates(executor: concurrent.futures.Executor) -> dict[str, float]:
    """Return calls/s by the way of calling."""
    list(executor.map(abs, range(1000)))
    found = {}
    for name, chunk in (("all at once", 1), ("chunks of 100", 100)):
        begin = time.perf_counter()
        assert sum(executor.map(abs, range(COUNT), chunksize=chunk)) == sum(range(COUNT))
        found[name] = COUNT / (time.perf_counter() - begin)
    begin = time.perf_counter()
    for i in range(COUNT // 10):
        executor.submit(abs, i).result()
    found["one at a time"] = COUNT / 10 / (time.perf_counter() - begin)
    return found
