"""The broker's memory: it must not grow with finished jobs."""

from __future__ import annotations

from pathlib import Path

from tests.bench.instance import MOCK, drain, instance, jobspec, submit


def resident(pid: int) -> float:
    """Return the resident set size in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise SystemExit(f"process {pid} has no VmRSS")


def main() -> None:
    """Print MB at start, after 2,500 and after 100,000 finished jobs."""
    with instance(MOCK) as (handle, pid):
        at_start = resident(pid)
        print(f"{'memory: at start':48} {at_start:10.1f} MB", flush=True)
        done = 0
        for goal in (2500, 100_000):
            while done < goal:
                count = min(2500, goal - done)
                submit(handle, jobspec("true"), count)
                drain(handle)
                done += count
            now = resident(pid)
            what = f"memory: after {goal:,} finished jobs"
            print(f"{what:48} {now:10.1f} MB {now / at_start:7.3f} of the start", flush=True)
