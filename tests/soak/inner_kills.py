"""Kill brokers between others at random moments under load, and look for jobs that it shouldn't have touched.

`python -m tests.soak.inner_kills [--seed N] [--rounds N] [--ranks N] [--topology T] [--state]
[--conf KEY=VALUE]...` prints a report and exits 1 if a job has failed that had no part on a rank that was
killed, if one isn't ended once and only once, with its output and status or with an exception for each rank
that it lost, if one ran more often than once, if another rank is drained, or if something is left at the end.

In each round an instance of so many brokers starts, and brokers that have others behind them are killed, one
after the other, some of them together, until a third of all ranks is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import bourn
from bourn.broker.overlay.topology import parse_topology
from bourn.errors import BournError
from bourn.model.idset import IdSet
from tests.bench.instance import drain
from tests.soak.broker_kills import (
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
from tests.soak.host_kills import WIDE, WIDE_WEIGHTS
from tests.soak.report import report

if TYPE_CHECKING:
    from collections.abc import Sequence

LOST = "was lost"
"""What the exceptions of jobs say whose rank was killed."""


class Round:
    """One instance, and the ranks of it that are killed."""

    def __init__(
        self, folder: Path, dice: random.Random, ranks: int, topology: str, conf: Sequence[str], state: bool
    ) -> None:
        self.jobs: dict[int, Work] = {}
        self.killed: set[int] = set()
        self.running = 0
        self.failed = 0
        self._dice = dice
        self._folder = folder
        self._tree = parse_topology(topology, ranks)
        options = [f'tbon.topology="{topology}"', *conf]
        self._life = Life(folder, options, ranks, state=state)
        with bourn.Handle(self._life.uri) as handle:
            replies = [handle.rpc("attr.get", {"name": "broker.pid"}, nodeid=rank) for rank in range(ranks)]
            self._pids = [int(reply.get()["value"]) for reply in replies]
        self._stop = threading.Event()
        self._clients = [
            threading.Thread(
                target=submit_until_killed,
                args=(self._life.uri, folder, dice.randrange(1 << 30), self.jobs),
                kwargs={"work": (*WORK, *WIDE), "weights": (*WEIGHTS, *WIDE_WEIGHTS), "stop": self._stop},
            )
            for _ in range(2)
        ]

    def run(self) -> list[str]:
        """Do it; return what is wrong."""
        for client in self._clients:
            client.start()
        while len(self.killed) < len(self._pids) // 3 and (inner := self._inner()):
            time.sleep(self._dice.uniform(0.05, 1.0))
            self.running += count_running(self._life.uri)
            for rank in self._dice.sample(inner, min(len(inner), self._dice.choice((1, 1, 2)))):
                self.killed.add(rank)
                os.kill(self._pids[rank], signal.SIGKILL)
        time.sleep(self._dice.uniform(0.05, 1.0))
        self._stop.set()
        for client in self._clients:
            client.join()
        uri = self._life.uri
        with bourn.Handle(uri) as handle:
            drain(handle)
        failed: set[int] = set()
        wrong = check(uri, [*self.jobs])
        wrong += check_ends(uri, self.jobs, real=True, excuse=LOST, failed=failed)
        wrong += self._check_failed(uri, failed) + self._check_runs(failed) + self._check_drained(uri)
        self.failed = len(failed)
        self._life.stop()
        # Whoever is started next on a killed rank replaces the link to its broker's socket.
        links = {f"file {self._folder}/state/local-{rank} is left" for rank in self.killed}
        return wrong + [fault for fault in left_behind(self._folder) if fault not in links]

    def abandon(self) -> None:
        """End it where it broke off."""
        self._stop.set()
        self._life.kill()

    def _inner(self) -> list[int]:
        """Return the ranks that live and have ranks behind them that do."""
        live = set(range(len(self._pids))) - self.killed
        return [rank for rank in live - {0} if len(live & set(self._tree.subtree(rank))) > 1]

    def _check_failed(self, uri: str, failed: set[int]) -> list[str]:
        wrong = []
        with bourn.Handle(uri) as handle:
            keys = ["R", "eventlog"]
            replies = [(id, handle.rpc("job-info.lookup", {"id": id, "keys": keys})) for id in failed]
            for id, reply in replies:
                found = reply.get()
                R = found["R"]
                entries = (R if isinstance(R, dict) else json.loads(R))["execution"]["R_lite"]
                ranks = {rank for entry in entries for rank in IdSet(entry["rank"])}
                lost = ranks & self.killed
                names = Counter(json.loads(line)["name"] for line in found["eventlog"].splitlines())
                if not 0 < names["exception"] <= len(lost):
                    count = names["exception"]
                    wrong.append(f"job {id} of ranks {ranks} lost {lost or 'none'}; {count} exceptions")
        return wrong

    def _check_runs(self, failed: set[int]) -> list[str]:
        ran = Counter((self._folder / "ran").read_text().split())
        wrong = []
        for id, work in self.jobs.items():
            times = ran.get(bourn.JobID(id).f58, 0)
            if times > work.nnodes or (times < work.nnodes and id not in failed):
                wrong.append(f"job {id} ran {times} times on {work.nnodes} nodes")
        return wrong

    def _check_drained(self, uri: str) -> list[str]:
        with bourn.Handle(uri) as handle:
            found = handle.rpc("resource.status").get()
        drained = {rank for entry in found["drain"] for rank in IdSet(entry["ranks"])}
        extra = drained - self.killed
        return [f"rank {IdSet(extra)} is drained and wasn't killed"] if extra else []


def run(
    seed: int,
    rounds: int,
    ranks: int = 7,
    topology: str = "kary:2",
    conf: Sequence[str] = (),
    *,
    state: bool = False,
) -> int:
    """Do it and print the report; return how many faults there are."""
    dice = random.Random(seed)
    begin = time.monotonic()
    wrong: list[str] = []
    jobs = killed = running = failed = 0
    for _ in range(rounds):
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "tmp").mkdir()
            one = Round(folder, dice, ranks, topology, conf, state)
            try:
                wrong += one.run()
            except (BournError, OSError) as error:
                wrong.append(f"it broke off: {error}")
                one.abandon()
            jobs, killed = jobs + len(one.jobs), killed + len(one.killed)
            running, failed = running + one.running, failed + one.failed
    took = time.monotonic() - begin
    return report(
        f"seed {seed}, {ranks} ranks, {topology}{', with state' if state else ''}: {killed} brokers killed "
        f"in {rounds} rounds, {took:.0f} s, {jobs} jobs, {running} of them running at a kill, "
        f"{failed} failed with their rank",
        wrong,
    )


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.inner_kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=7)
    parser.add_argument("--topology", default="kary:2")
    parser.add_argument("--state", action="store_true", help="with a state directory")
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    return bool(
        run(options.seed, options.rounds, options.ranks, options.topology, options.conf, state=options.state)
    )


if __name__ == "__main__":
    sys.exit(main())
