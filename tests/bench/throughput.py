"""Real no-op jobs through a whole instance: submitted, scheduled on 16 cores, run, done."""

from __future__ import annotations

import time

import bourn
from tests.bench import bare, report
from tests.bench.instance import drain, instance, jobspec, submit


def main() -> None:
    """Print jobs/s of 2,000 and 64,000 `true`, and of as many members of an array, beside the mean of a spawn
    loop before and after."""
    for count, array in ((2000, False), (2000, True), (64000, False), (64000, True)):
        loop = bare.spawns()
        with instance() as (handle, _):
            submit(handle, jobspec("true"), 50)
            drain(handle)
            begin = time.perf_counter()
            if array:
                bourn.job.submit_array(handle, jobspec("true"), range(count))
            else:
                submit(handle, jobspec("true"), count)
            drain(handle)
            rate = count / (time.perf_counter() - begin)
        loop = (loop + bare.spawns()) / 2
        what = "members of an array" if array else "real jobs"
        report.rate(f"throughput: {count:,} {what}", rate, "jobs/s", loop, "a bare spawn loop")
