"""Many brokers on one machine: start, round trips over links, events to all, memory."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import bourn
from tests.bench import bare, report
from tests.bench.instance import bourn_command
from tests.bench.timing import median

TRIPS = 1000
EVENTS = 200


def main() -> None:
    """Print the start of 4 to 256 brokers, and what travels among 64."""
    python = bare.interpreter_start()
    one = median(bourn_command("start", "true"), count=5)
    report.seconds("overlay: 1 broker starts, runs `true`, stops", one, python, "starting Python")
    for size in (4, 16, 64, 256):
        took = median(bourn_command("start", f"-s{size}", "true"), count=5 if size < 64 else 3)
        report.seconds(f"overlay: {size} brokers", took, one, "one broker")
    wide = median(bourn_command("start", "-s256", "bourn", "run", "-N256", "true"), count=1)
    report.seconds("overlay: 256 brokers, a job across all", wide, one, "one broker")
    _links()


def _links() -> None:
    loop = bare.socket_echoes()
    command = bourn_command(
        "start", "-s64", "-Stbon.topo=kary:4", "--", "sh", "-c", "echo $BOURN_URI; exec cat"
    )
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        with bourn.Handle(process.stdout.readline().strip()) as handle:
            for hops, rank in ((1, 1), (2, 5), (3, 21)):
                rate = _trips(handle, rank)
                what = f"overlay: RPC over {hops} hop{'s' if hops > 1 else ''}"
                report.rate(what, rate, "trips/s", loop, "a bare socket echo")
                print(f"{what + ', round trip':48} {1000 / rate:10.4f} ms", flush=True)
            _events(handle)
            _memory(handle)
        process.stdin.close()
        process.wait()


def _trips(handle: bourn.Handle, rank: int) -> float:
    handle.rpc("broker.ping", nodeid=rank).get()
    begin = time.perf_counter()
    for _ in range(TRIPS):
        handle.rpc("broker.ping", {"pad": ""}, nodeid=rank).get()
    return TRIPS / (time.perf_counter() - begin)


def _events(handle: bourn.Handle) -> None:
    """Publish one event after the other, each awaited on the rank that is farthest away."""
    uri = handle.rpc("attr.get", {"name": "local-uri"}, nodeid=63).get()["value"]
    with bourn.Handle(uri) as far:
        far.event_subscribe("bench")
        begin = time.perf_counter()
        for number in range(EVENTS):
            handle.event_publish("bench", number)
            far.event_recv()
        took = time.perf_counter() - begin
    print(
        f"{'overlay: an event to 64 brokers, seen by the last':48} {took / EVENTS * 1000:10.4f} ms",
        flush=True,
    )


def _memory(handle: bourn.Handle) -> None:
    pids = [
        int(handle.rpc("attr.get", {"name": "broker.pid"}, nodeid=rank).get()["value"]) for rank in (0, 1, 63)
    ]
    for name, pid in zip(("rank 0", "an inner rank", "a leaf"), pids, strict=True):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in rollup if line.endswith("kB")}
        private = found["Private_Dirty"] + found["Private_Clean"]
        print(
            f"{'overlay: memory of ' + name:48} {found['Pss']:10.1f} MB of its own share,"
            f" {private:.1f} MB private, {found['Rss']:.1f} MB resident",
            flush=True,
        )
