"""The key-value store, one operation at a time."""

from __future__ import annotations

import time

from tests.bench import bare, report
from tests.bench.instance import instance

COUNT = 3000


def main() -> None:
    """Print commits/s of one put each, and gets/s."""
    loop = bare.sqlite_commits()
    import bourn

    with instance() as (handle, _):
        begin = time.perf_counter()
        for number in range(COUNT):
            bourn.kvs.put(handle, f"bench.key{number % 100}", number)
            bourn.kvs.commit(handle)
        puts = COUNT / (time.perf_counter() - begin)
        begin = time.perf_counter()
        for number in range(COUNT):
            bourn.kvs.get(handle, f"bench.key{number % 100}")
        gets = COUNT / (time.perf_counter() - begin)
    report.rate("kvs: put and commit", puts, "/s", loop, "bare SQLite commits")
    report.rate("kvs: get", gets, "/s", loop, "bare SQLite commits")
