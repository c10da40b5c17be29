"""The job manager alone: everything around it is faked, so that all of the time is its own."""

from __future__ import annotations

import sys
import time
import tracemalloc

from tests.unit.job_manager.fakes import FakeStore, Rig

ROUND = 64
"""Jobs that start and end together, as on a machine of so many cores."""


def main() -> None:
    """Print microseconds a job, at 2,000 and 64,000 jobs; bytes a pending job."""
    for count in (2000, 64000):
        best = min(_life(count) for _ in range(3))
        print(f"{f'job manager: submit to clean, {count:,} jobs':48} {best * 1e6:10.1f} us/job", flush=True)
    rig = Rig(store=FakeStore(keep=False), greedy=False)
    jobs = rig.ingest(5000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    rig.intake.submit(jobs, rig.errors.append)
    rig.settle()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"{'job manager: a pending job':48} {(after - before) / 5000:10.0f} bytes", flush=True)


def _life(count: int) -> float:
    rig = Rig(store=FakeStore(keep=False), greedy=False, instant=False)
    begin = time.perf_counter()
    batches = [rig.ingest(min(2000, count - first)) for first in range(0, count, 2000)]
    made = time.perf_counter() - begin
    begin = time.perf_counter()
    for jobs in batches:
        rig.intake.submit(jobs, rig.errors.append)
        rig.settle()
    while rig.sched.asked:
        ids = [id for _, id in zip(range(ROUND), rig.sched.asked, strict=False)]
        rig.sched.grant(*ids)
        rig.settle()
        rig.exec.run(*ids)
        rig.turn()
        rig.exec.finish(*ids)
        rig.settle()
    spent = time.perf_counter() - begin
    assert made > 0
    assert not rig.engine.jobs, "jobs are left"
    return spent / count


if __name__ == "__main__":
    sys.exit(main())
