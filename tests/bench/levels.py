"""What a job costs on each level of a tree of instances, in microseconds of CPU time.

    python -m tests.bench levels > costs.toml

CPU time of the processes themselves, so it matters little how many CPUs they share. The lines are what
`bourn simulate --tree` takes as --costs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

import bourn
from tests.bench.instance import drain, instance, jobspec, submit

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = 8000
ONE_CHILD = ('hierarchy.shape="1"', "hierarchy.min=1")


def main() -> None:
    """Print the costs as TOML, with a comment that says where they were measured."""
    with instance() as (handle, pid):
        submit(handle, jobspec("true"), 1)
        drain(handle)
        broker, host = _costs(handle, [pid, _host(pid)])
    with instance(*ONE_CHILD) as (handle, pid):
        below = _child(handle)
        hand, with_reports = _costs(handle, [pid, below])
    values = {"broker": broker, "host": host, "task": _task(), "hand": hand, "report": with_reports - broker}
    print(f"# {COUNT:,} jobs on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPUs of {_model()}")
    for name, value in values.items():
        print(f"{name:6} = {max(value, 0.0) * 1e6:.0f}", flush=True)


def _costs(handle: bourn.Handle, pids: Sequence[int]) -> list[float]:
    """Return the CPU seconds a job of some processes."""
    submit(handle, jobspec("true"), 200)
    drain(handle)
    before = [_cpu(pid) for pid in pids]
    submit(handle, jobspec("true"), COUNT)
    drain(handle)
    return [(_cpu(pid) - start) / COUNT for pid, start in zip(pids, before, strict=True)]


def _host(broker: int) -> int:
    """Return the shell host that a broker has started for its first job."""
    (host,) = (child for child in psutil.Process(broker).children() if "bourn.shell" in child.cmdline())
    return host.pid


def _child(handle: bourn.Handle) -> int:
    """Return the broker of the only child, once it's up."""
    while (child := handle.rpc("hierarchy.status").get()["children"][0])["state"] != "up":
        time.sleep(0.02)
    with bourn.Handle(child["uri"]) as below:
        return int(below.rpc("attr.get", {"name": "broker.pid"}).get()["value"])


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _task() -> float:
    """Return CPU seconds of a `true` from exec to exit."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(1000):
        subprocess.run(["true"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / 1000


def _model() -> str:
    with open("/proc/cpuinfo") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "?")
