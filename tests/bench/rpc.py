"""Round trips from Python to the broker and back."""

from __future__ import annotations

import time

from tests.bench import bare, report
from tests.bench.instance import instance

COUNT = 5000


def main() -> None:
    """Print round trips/s, one at a time."""
    loop = bare.socket_echoes()
    with instance() as (handle, _):
        handle.rpc("broker.ping", {"pad": ""}).get()
        begin = time.perf_counter()
        for _ in range(COUNT):
            handle.rpc("broker.ping", {"pad": ""}).get()
        took = time.perf_counter() - begin
    report.rate("rpc: one at a time", COUNT / took, "trips/s", loop, "a bare socket echo")
    print(f"{'rpc: round trip':48} {took / COUNT * 1000:10.4f} ms")
