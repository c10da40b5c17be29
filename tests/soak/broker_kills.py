"""Kill the broker with SIGKILL at random moments under load, start it again, and look for what was lost.

`python -m tests.soak.broker_kills [--seed N] [--kills N]` prints a report and exits 1 if anything acknowledged is
missing or any eventlog is illegal.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import bourn
from bourn.errors import BournError
from tests.bench.instance import SIXTEEN_CORES, bourn_command, drain, jobspec
from tests.soak.eventlog import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK = (("true",), ("false",), ("sleep", "0.02"), ("sh", "-c", "echo out; echo err >&2"))


class Life:
    """One life of the broker on a state directory."""

    def __init__(self, statedir: str, *conf: str) -> None:
        options = [f"--conf={item}" for item in (SIXTEEN_CORES, *conf)]
        command = bourn_command(
            "start", *options, f"-Sstatedir={statedir}", "--", "sh", "-c", "echo $BOURN_URI; exec cat"
        )
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()
        if not self.uri:
            raise SystemExit(f"the broker did not start again (exit status {self.process.wait()})")

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        os.kill(self.process.pid, signal.SIGKILL)
        self._close()

    def stop(self) -> None:
        """End it as its user would."""
        self._close()

    def _close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def submit_until_killed(uri: str, seed: int, acknowledged: list[int]) -> None:
    """Submit batches of a few jobs as fast as they are acknowledged; note each id when it is."""
    dice = random.Random(seed)
    specs = [jobspec(*command) for command in WORK]
    try:
        with bourn.Handle(uri) as handle:
            while True:
                jobs = [{"jobspec": dice.randrange(len(specs))} for _ in range(dice.randrange(1, 20))]
                reply = handle.rpc("job-ingest.submit", {"jobspecs": specs, "jobs": jobs}).get()
                acknowledged.extend(reply["ids"])
    except (BournError, OSError):
        return  # The broker is gone: that is the point.


def eventlogs(uri: str, ids: list[int]) -> Iterator[tuple[int, str | None]]:
    """Yield each job's eventlog, or None where the broker doesn't know the job."""
    with bourn.Handle(uri) as handle:
        replies = [
            (jobid, handle.rpc("job-info.lookup", {"id": jobid, "keys": ["eventlog"]})) for jobid in ids
        ]
        for jobid, reply in replies:
            try:
                yield jobid, reply.get()["eventlog"]
            except BournError:
                yield jobid, None


def check(uri: str, ids: list[int]) -> list[str]:
    """Return what is wrong with the acknowledged jobs."""
    wrong = []
    for jobid, text in eventlogs(uri, ids):
        if text is None:
            wrong.append(f"job {jobid} was acknowledged and is lost")
        else:
            wrong += [f"job {jobid}: {fault}" for fault in faults(text)]
    return wrong


def run(seed: int, kills: int) -> int:
    """Do it and print the report; return how many faults there are."""
    dice = random.Random(seed)
    acknowledged: list[int] = []
    wrong: list[str] = []
    begin = time.monotonic()
    with TemporaryDirectory() as statedir:
        for number in range(kills):
            life = Life(statedir)
            wrong += check(life.uri, acknowledged[-2000:])
            clients = [
                threading.Thread(
                    target=submit_until_killed, args=(life.uri, seed * 1000 + number * 2 + i, acknowledged)
                )
                for i in range(2)
            ]
            for client in clients:
                client.start()
            time.sleep(dice.uniform(0.02, 0.6))
            life.kill()
            for client in clients:
                client.join()
        life = Life(statedir)
        with bourn.Handle(life.uri) as handle:
            drain(handle)
        wrong += check(life.uri, acknowledged)
        unfinished = [
            jobid for jobid, text in eventlogs(life.uri, acknowledged) if text and '"clean"' not in text
        ]
        wrong += [f"job {jobid} never ended" for jobid in unfinished]
        life.stop()
    if len(set(acknowledged)) != len(acknowledged):
        wrong.append("an id was given twice")
    took = time.monotonic() - begin
    print(f"seed {seed}: {kills} kills in {took:.0f} s, {len(acknowledged)} jobs, {len(wrong)} faults")
    for fault in wrong[:20]:
        print(f"  {fault}")
    return len(wrong)


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.broker_kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    return bool(run(options.seed, options.kills))


if __name__ == "__main__":
    sys.exit(main())
