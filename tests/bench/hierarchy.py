"""Jobs through trees of instances: one level, two children below the root, and deeper, in one run."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.bench import report
from tests.bench.instance import drain, instance, jobspec, submit

if TYPE_CHECKING:
    import bourn

COUNT = 2000
SHAPES = {"depth 1": "", "depth 2, two children": "2", "depth 3, two and two": "2x1"}


def main() -> None:
    """Print jobs/s of each depth, and what a handed-down job costs the root."""
    with ExitStack() as stack:
        trees = {
            name: stack.enter_context(instance(*((f'hierarchy.shape="{shape}"',) if shape else ())))
            for name, shape in SHAPES.items()
        }
        for handle, _ in trees.values():
            _wait_until_up(handle)
            submit(handle, jobspec("true"), 100)
            drain(handle)
        rates: dict[str, list[float]] = {name: [] for name in trees}
        costs: dict[str, list[float]] = {name: [] for name in trees}
        # In turns: the machine's speed drifts.
        for _ in range(3):
            for name, (handle, pid) in trees.items():
                begin, cpu = time.perf_counter(), _cpu(pid)
                submit(handle, jobspec("true"), COUNT)
                drain(handle)
                rates[name].append(COUNT / (time.perf_counter() - begin))
                costs[name].append((_cpu(pid) - cpu) / COUNT)
    flat = max(rates["depth 1"])
    for name, found in rates.items():
        what = f"hierarchy: {COUNT:,} real jobs, {name}"
        report.rate(what, max(found), "jobs/s", flat, "depth 1")
        print(f"{what}: {min(costs[name]) * 1e6:.0f} us of the root's CPU a job")


def _wait_until_up(handle: bourn.Handle) -> None:
    """Wait until all children are up, at every level."""
    import bourn

    while True:
        status = handle.rpc("hierarchy.status").get()
        if all(child["state"] == "up" for child in status["children"]):
            break
        time.sleep(0.02)
    for child in status["children"]:
        with bourn.Handle(child["uri"]) as below:
            _wait_until_up(below)


def _cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
