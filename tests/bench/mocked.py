"""Jobs whose execution is mocked: the broker alone; the rate must not fall with their number."""

from __future__ import annotations

import time

from tests.bench import bare, report
from tests.bench.instance import MOCK, drain, instance, jobspec, submit


def main() -> None:
    """Print jobs/s of 2,000 and of 64,000 jobs, and their ratio."""
    rates = {}
    for count in (2000, 64000):
        loop = bare.sqlite_rows()
        with instance(MOCK) as (handle, _):
            submit(handle, jobspec("true"), 50)
            drain(handle)
            begin = time.perf_counter()
            for first in range(0, count, 2000):
                submit(handle, jobspec("true"), min(2000, count - first))
            drain(handle)
            rates[count] = count / (time.perf_counter() - begin)
        report.rate(f"mocked: {count:,} jobs", rates[count], "jobs/s", loop, "bare SQLite rows")
    print(f"{'mocked: 64,000 against 2,000':48} {rates[64000] / rates[2000]:10.3f}")
