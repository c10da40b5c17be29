"""A thousand tasks of one job, started by a shell host, against a bare spawn loop."""

from __future__ import annotations

import os
import time
from typing import Any

from bourn.shell.wire import Start
from tests.bench import bare, report
from tests.integration.shell.host_client import HostClient, jobspec

TASKS = 1000


def run(tasks: int, options: dict[str, Any]) -> float:
    """Return tasks/s of one job of `true`, from its arrival in the host to the report of its end."""
    with HostClient() as host:
        host.run(["/bin/true"], environment=dict(os.environ))
        host.wait(1)
        text = jobspec(["/bin/true"], options, environment=dict(os.environ))
        begin = time.perf_counter()
        host.send(specs=[(2, text)], start=[Start(2, 2, ntasks=tasks, size=tasks, cores="0-1")])
        host.wait(2)
        return tasks / (time.perf_counter() - begin)


def main() -> None:
    """Print tasks/s and the ratio to bare loops before and after."""
    quiet = {"output": {"stdout": {"type": "none"}, "stderr": {"type": "none"}}, "pmi": "off"}
    for name, options in (("", {}), (", without PMI and output", quiet)):
        loop = bare.spawns(TASKS)
        rate = run(TASKS, options)
        loop = (loop + bare.spawns(TASKS)) / 2
        report.rate(f"tasks: {TASKS:,} in one job{name}", rate, "tasks/s", loop, "bare spawn loop")
