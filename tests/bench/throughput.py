"""Real no-op jobs through a whole instance: submitted, scheduled on 16 cores, run, done."""

from __future__ import annotations

import time

from tests.bench import bare, report
from tests.bench.instance import drain, instance, jobspec, submit


def main() -> None:
    """Print jobs/s of 2,000 and 64,000 `true`, beside the mean of a spawn loop before and after."""
    for count in (2000, 64000):
        loop = bare.spawns()
        with instance() as (handle, _):
            submit(handle, jobspec("true"), 50)
            drain(handle)
            begin = time.perf_counter()
            submit(handle, jobspec("true"), count)
            drain(handle)
            rate = count / (time.perf_counter() - begin)
        loop = (loop + bare.spawns()) / 2
        report.rate(f"throughput: {count:,} real jobs", rate, "jobs/s", loop, "a bare spawn loop")
