"""Kill shell hosts and brokers at random moments under load, and look for jobs that were lost or left.

`python -m tests.soak.host_kills [--seed N] [--kills N] [--ranks N] [--conf KEY=VALUE]... [--arrays]` prints a
report and exits 1 if a job that was acknowledged isn't ended once and only once, with the right output and
status or with a reason that names its shell host, if one ran more often than it may, or if a process, a file
or an allocation is left at the end.

Each time it is one of these: a host is killed; a host is stopped, and found out by its heartbeat; the broker
is killed, with all ranks, or ends on purpose and keeps its jobs; the broker and then a host, or a host and
then the broker. Where both die a job that was handed out and whose start isn't durable runs again; otherwise
no job runs twice.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import bourn
from bourn.errors import BournError
from tests.bench.instance import drain
from tests.soak import arrays as array_jobs
from tests.soak.broker_kills import (
    MARK,
    WEIGHTS,
    WORK,
    Life,
    Work,
    check,
    check_ends,
    count_running,
    left_behind,
    submit_until_killed,
)
from tests.soak.report import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDE = (
    Work(f"{MARK}; echo out", 0, "out\n", nnodes=2),
    Work(f"{MARK}; echo begin; sleep 0.5; echo end; exit 4", 4 << 8, "begin\nend\n", nnodes=2),
    Work(f"{MARK}; sleep 1; seq 1 500", 0, "".join(f"{i}\n" for i in range(1, 501)), nnodes=2),
)
WIDE_WEIGHTS = (3, 2, 1)
HANG = 1.5
"""Seconds after which a host that doesn't answer is found out."""
WAYS = ("host", "hang", "broker", "keep", "broker, host", "host, broker", "keep, host")
WAY_WEIGHTS = (4, 1, 2, 2, 2, 2, 1)


class Killer:
    """Lives of an instance, one after the other, and who is killed in them."""

    def __init__(
        self, folder: Path, seed: int, conf: Sequence[str], ranks: int, *, as_arrays: bool = False
    ) -> None:
        self.dice = random.Random(seed)
        self.jobs: dict[int, Work] = {}
        self.arrays: dict[int, list[int]] | None = {} if as_arrays else None
        self.ways: Counter[str] = Counter()
        self.running = 0
        self._folder = folder
        self._conf = [f"exec.host-timeout={HANG}", *conf]
        self._ranks = ranks
        self._seed = seed * 1000
        self._work = WORK if ranks == 1 else (*WORK, *WIDE)
        self._weights = WEIGHTS if ranks == 1 else (*WEIGHTS, *WIDE_WEIGHTS)
        self._clients: list[threading.Thread] = []
        self.life = self._start()

    def once(self) -> None:
        """Let it work for a moment, then kill somebody."""
        time.sleep(self.dice.uniform(0.02, 0.5))
        self.running += count_running(self.life.uri)
        (way,) = self.dice.choices(WAYS, WAY_WEIGHTS)
        self.ways[way] += 1
        hosts = self._hosts()
        for victim in way.split(", "):
            if victim == "broker":
                self.life.kill()
            elif victim == "keep":
                self.life.keep()
            elif hosts:
                # The one of before may be dead already; a new one has another number.
                with suppress(ProcessLookupError):
                    os.kill(self.dice.choice(hosts), signal.SIGSTOP if victim == "hang" else signal.SIGKILL)
        if "broker" in way or "keep" in way:
            self._join()
            self.life = self._start()

    def end(self) -> list[str]:
        """Wait for all jobs; return what is wrong."""
        self.life.kill()
        self._join()
        self.life = Life(self._folder, self._conf, self._ranks)
        with bourn.Handle(self.life.uri) as handle:
            drain(handle)
        failed: set[int] = set()
        wrong = check(self.life.uri, [*self.jobs])
        wrong += check_ends(self.life.uri, self.jobs, real=True, excuse="shell host", failed=failed)
        wrong += self._check_runs(failed)
        wrong += array_jobs.check(self.life.uri, self.arrays or {})
        with bourn.Handle(self.life.uri) as handle:
            taken = handle.rpc("sched.resource-status").get().get("allocated")
        if taken and taken["execution"]["R_lite"]:
            wrong.append(f"resources are still allocated: {taken['execution']['R_lite']}")
        self.life.stop()
        self.failed = len(failed)
        return wrong + left_behind(self._folder)

    def _start(self) -> Life:
        life = Life(self._folder, self._conf, self._ranks)
        for number in range(2):
            self._seed += 1
            submit: Callable[..., None] = submit_until_killed
            args: tuple[object, ...] = (life.uri, self._folder, self._seed, self.jobs)
            if self.arrays is not None:
                submit, args = array_jobs.submit_until_killed, (*args, self.arrays)
            args = (*args, self._work, self._weights)
            client = threading.Thread(target=submit, args=args, name=f"client {number}")
            client.start()
            self._clients.append(client)
        return life

    def _join(self) -> None:
        for client in self._clients:
            client.join()
        self._clients.clear()

    def _hosts(self) -> list[int]:
        with bourn.Handle(self.life.uri) as handle:
            hosts = handle.rpc("shell-manager.stats").get()["hosts"]
        return [host["pid"] for host in hosts if host["pid"]]

    def _check_runs(self, failed: set[int]) -> list[str]:
        ran = Counter((self._folder / "ran").read_text().split())
        # Handed out, not durably started, and host and broker gone: such a job is run again.
        both = [way for way in self.ways if "host" in way and way != "host"]
        most = 2 if both else 1
        wrong = []
        for id, work in self.jobs.items():
            times = ran.get(bourn.JobID(id).f58, 0)
            if times > most * work.nnodes:
                wrong.append(f"job {id} ran {times} times")
            elif times < work.nnodes and id not in failed:
                wrong.append(f"job {id} ran {times} times and has no exception")
        return wrong


def run(seed: int, kills: int, ranks: int = 1, conf: Sequence[str] = (), *, as_arrays: bool = False) -> int:
    """Do it and print the report; return how many faults there are."""
    begin = time.monotonic()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        killer = Killer(folder, seed, conf, ranks, as_arrays=as_arrays)
        wrong: list[str] = []
        try:
            for _ in range(kills):
                killer.once()
            wrong += killer.end()
        except (BournError, OSError) as error:
            wrong.append(f"it broke off: {error}")
            killer.life.kill()
            killer.failed = 0
    took = time.monotonic() - begin
    shape = f" in {len(killer.arrays)} arrays" if killer.arrays else ""
    ways = ", ".join(f"{way}: {count}" for way, count in sorted(killer.ways.items()))
    return report(
        f"seed {seed}, {ranks} rank{'s' if ranks > 1 else ''}: {kills} kills ({ways}) in {took:.0f} s, "
        f"{len(killer.jobs)} jobs{shape}, {killer.running} of them running at a kill, {killer.failed} failed "
        "with their shell host",
        wrong,
    )


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.host_kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--arrays", action="store_true", help="all jobs are members of arrays")
    options = parser.parse_args()
    found = run(options.seed, options.kills, options.ranks, options.conf, as_arrays=options.arrays)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
