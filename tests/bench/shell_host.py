"""The shell host alone: `true` in batches, 16 at once and all at once, against a bare spawn loop."""

from __future__ import annotations

import os
import time

import msgspec

from bourn.shell.wire import Start, ToHost
from tests.bench import bare, report
from tests.integration.shell.host_client import HostClient, jobspec

COUNT = 2000


def run(count: int, outstanding: int, command: list[str]) -> float:
    """Return jobs/s with `outstanding` jobs at once in the host."""
    with HostClient() as host:
        host.run(command, first=count + 1, environment=dict(os.environ))
        host.wait(count + 1)
        host.send(specs=[(1, jobspec(command, environment=dict(os.environ)))])
        begin = time.perf_counter()
        started = 0
        host.status.clear()
        while len(host.status) < count:
            room = min(count, len(host.status) + outstanding) - started
            if room:
                host.send(ack=host.seq, start=[Start(started + i, 1, cores=str(i % 16)) for i in range(room)])
                started += room
            host.receive()
        return count / (time.perf_counter() - begin)


def main() -> None:
    """Print jobs/s and the ratio to bare loops before and after."""
    for outstanding in (16, 128, COUNT):
        loop = bare.spawns(COUNT)
        rate = run(COUNT, outstanding, ["/bin/true"])
        loop = (loop + bare.spawns(COUNT)) / 2
        report.rate(f"shell host: true, {outstanding} at once", rate, "jobs/s", loop, "bare spawn loop")
    assert msgspec.json.encode(ToHost()) == b"{}"
