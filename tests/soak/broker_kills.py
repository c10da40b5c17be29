"""Kill the broker with SIGKILL at random moments under load, start it again, and look for what was lost.

`python -m tests.soak.broker_kills [--seed N] [--kills N] [--conf KEY=VALUE]... [--mock] [--arrays]` prints a
report and exits 1 if anything acknowledged is missing, an eventlog is illegal, output or an exit status is
wrong, a job didn't run exactly once, or a process or file is left at the end.

Each job appends a line to a file, so that runs can be counted. Once is what is to be expected because only
the broker dies: it hands a job out after its allocation is durable, and the shell host, which survives,
tells the next broker what it has been handed. Where the host dies too, a job that was handed out and whose
start isn't durable runs again: at least once. One whose start is durable isn't run again but ends with an
exception: at most once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import bourn
from bourn.errors import BournError
from bourn.model.jobspec_build import from_command
from tests.bench.instance import MOCK, SIXTEEN_CORES, bourn_command, drain
from tests.soak.eventlog import faults
from tests.soak.report import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MARK = "echo $BOURN_JOB_ID >>$RAN"


class Work(NamedTuple):
    """A kind of job, and what is to come of it."""

    script: str
    status: int = 0
    out: str = ""
    err: str = ""
    nnodes: int = 1
    """Nodes, with a task on each."""


WORK = (
    Work(MARK),
    Work(f"{MARK}; exit 3", 3 << 8),
    Work(f"{MARK}; sleep 0.02"),
    Work(f"{MARK}; echo out; echo err >&2", 0, "out\n", "err\n"),
    Work(f"{MARK}; echo begin; sleep 0.4; echo end", 0, "begin\nend\n"),
    Work(f"{MARK}; sleep 1.5; echo late; kill -9 $$", 9, "late\n"),
    Work(f"{MARK}; seq 1 2000", 0, "".join(f"{i}\n" for i in range(1, 2001))),
)
WEIGHTS = (8, 4, 4, 4, 2, 1, 1)
RANKED_CORES = 'resource.config=[{hosts="n[0-%d]",cores="0-7"}]'


class Life:
    """One life of the broker, on a state directory unless `state` is false."""

    def __init__(self, folder: Path, conf: Sequence[str], ranks: int = 1, *, state: bool = True) -> None:
        cores = SIXTEEN_CORES if ranks == 1 else RANKED_CORES % (ranks - 1)
        options = [f"--conf={item}" for item in (cores, *conf)]
        if ranks > 1:
            options.append(f"--test-size={ranks}")
        if state:
            options.append(f"-Sstatedir={folder / 'state'}")
        command = bourn_command("start", *options, "--", "sh", "-c", "echo $BOURN_URI; exec cat")
        environ = {key: value for key, value in os.environ.items() if key != "XDG_RUNTIME_DIR"}
        environ["TMPDIR"] = str(folder / "tmp")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()
        if not self.uri:
            raise SystemExit(f"the broker did not start again (exit status {self.process.wait()})")

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        os.kill(self.process.pid, signal.SIGKILL)
        self._close()

    def keep(self) -> None:
        """End it on purpose, and leave its jobs running."""
        with bourn.Handle(self.uri) as handle:
            handle.rpc("broker.shutdown", {"keep": True}).get()
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


def specs(folder: Path, kinds: Sequence[Work] = WORK) -> list[dict[str, object]]:
    """Return the jobspecs of kinds of work."""
    environ = {"PATH": "/usr/bin:/bin", "RAN": str(folder / "ran")}
    return [
        from_command(
            ["sh", "-c", work.script],
            environment=environ,
            cwd="/tmp",
            num_tasks=work.nnodes,
            num_nodes=work.nnodes if work.nnodes > 1 else None,
        )
        for work in kinds
    ]


def submit_until_killed(
    uri: str,
    folder: Path,
    seed: int,
    acknowledged: dict[int, Work],
    work: Sequence[Work] = WORK,
    weights: Sequence[int] = WEIGHTS,
    stop: threading.Event | None = None,
) -> None:
    """Submit batches of a few jobs as fast as they are acknowledged, till `stop`; note each id when it is."""
    dice = random.Random(seed)
    jobspecs = specs(folder, work)
    try:
        with bourn.Handle(uri) as handle:
            while stop is None or not stop.is_set():
                kinds = dice.choices(range(len(work)), weights, k=dice.randrange(1, 20))
                body = {"jobspecs": jobspecs, "jobs": [{"jobspec": kind} for kind in kinds]}
                ids = handle.rpc("job-ingest.submit", body).get()["ids"]
                acknowledged.update((id, work[kind]) for id, kind in zip(ids, kinds, strict=True))
                time.sleep(dice.uniform(0, 0.05))
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


def output(text: str) -> dict[str, str]:
    """Return what stands in an output eventlog, by stream; twice where it stands there twice."""
    found = {"stdout": "", "stderr": ""}
    for line in text.splitlines():
        entry = json.loads(line)
        if entry["name"] == "data":
            found[entry["context"]["stream"]] += entry["context"].get("data", "")
    return found


def check_ends(
    uri: str, jobs: dict[int, Work], *, real: bool, excuse: str = "", failed: set[int] | None = None
) -> list[str]:
    """Return what is wrong with jobs that should all have ended.

    An exception is a fault, unless its note has `excuse` in it: then the job is added to `failed`.
    """
    wrong = []
    with bourn.Handle(uri) as handle:
        for id, text in eventlogs(uri, [*jobs]):
            if text is None:
                continue
            events = {entry["name"]: entry.get("context") for entry in map(json.loads, text.splitlines())}
            if "clean" not in events:
                wrong.append(f"job {id} never ended")
            elif "exception" in events and failed is not None and excuse in str(events["exception"]["note"]):
                failed.add(id)
            elif "exception" in events:
                wrong.append(f"job {id} has an exception: {events['exception']}")
            elif real and events["finish"]["status"] != jobs[id].status:
                wrong.append(f"job {id} ({jobs[id].script[:60]}): status {events['finish']['status']}")
            elif real and (jobs[id].out or jobs[id].err):
                reply = handle.rpc("job-info.lookup", {"id": id, "keys": ["guest.output"]}).get()
                said = output(reply["guest.output"])
                if not _is_said(said, jobs[id]):
                    wrong.append(f"job {id} ({jobs[id].script[:60]}): its output is {said!r:.200}")
    return wrong


def _is_said(said: dict[str, str], work: Work) -> bool:
    """Whether it is the output of the work: that of several tasks in any order of lines."""
    if work.nnodes == 1:
        return (said["stdout"], said["stderr"]) == (work.out, work.err)
    return sorted(said["stdout"].split("\n")) == sorted((work.out * work.nnodes).split("\n"))


def check_runs(folder: Path, jobs: dict[int, Work]) -> list[str]:
    """Return what is wrong with how often jobs ran: each exactly once."""
    ran = Counter((folder / "ran").read_text().split())
    found: dict[int, list[int]] = {}
    for id in jobs:
        found.setdefault(ran.get(bourn.JobID(id).f58, 0), []).append(id)
    return [f"{len(ids)} jobs ran {n} times, so job {ids[0]}" for n, ids in found.items() if n != 1]


def left_behind(folder: Path) -> list[str]:
    """Return the processes and files that an ended instance has left."""
    found = [f"file {path} is left" for path in (folder / "tmp").iterdir()]
    expected = ("bourn.sqlite", "lock")
    state = folder / "state"
    if state.exists():
        found += [f"file {path} is left" for path in state.iterdir() if path.name not in expected]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if str(folder).encode() in Path(f"/proc/{pid}/environ").read_bytes():
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(bytes(1), b" ").decode()
                found.append(f"process {pid} is left: {command}")
        except OSError:
            continue
    return found


def run(seed: int, kills: int, conf: Sequence[str] = (), *, as_arrays: bool = False) -> int:
    """Do it, with jobs or with arrays of jobs, and print the report; return how many faults there are."""
    from tests.soak import arrays as array_jobs

    dice = random.Random(seed)
    real = MOCK not in conf
    acknowledged: dict[int, Work] = {}
    arrays: dict[int, list[int]] = {}
    wrong: list[str] = []
    running = 0
    begin = time.monotonic()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        for number in range(kills):
            life = Life(folder, conf)
            # A member that is asked for becomes a job: most are left to wait for their turn.
            wrong += check(life.uri, [*acknowledged][-2000 :: 50 if as_arrays else 1])
            clients = []
            for i in range(2):
                args: tuple[object, ...] = (life.uri, folder, seed * 1000 + number * 2 + i, acknowledged)
                submit: Callable[..., None] = submit_until_killed
                if as_arrays:
                    submit, args = array_jobs.submit_until_killed, (*args, arrays, WORK, WEIGHTS)
                clients.append(threading.Thread(target=submit, args=args))
            for client in clients:
                client.start()
            time.sleep(dice.uniform(0.02, 0.6))
            running += count_running(life.uri)
            life.kill()
            for client in clients:
                client.join()
        life = Life(folder, conf)
        with bourn.Handle(life.uri) as handle:
            drain(handle)
        wrong += check(life.uri, [*acknowledged])
        wrong += check_ends(life.uri, acknowledged, real=real)
        wrong += array_jobs.check(life.uri, arrays)
        life.stop()
        if real:
            wrong += check_runs(folder, acknowledged)
        wrong += left_behind(folder)
    took = time.monotonic() - begin
    shape = f" in {len(arrays)} arrays" if as_arrays else ""
    return report(
        f"seed {seed}{''.join(' ' + item for item in conf)}: {kills} kills in {took:.0f} s, "
        f"{len(acknowledged)} jobs{shape}, {running} of them running at a kill",
        wrong,
    )


def count_running(uri: str) -> int:
    """Return how many jobs have their resources now."""
    with bourn.Handle(uri) as handle:
        count: int = handle.rpc("job-manager.stats").get()["states"]["run"]
        return count


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.broker_kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--mock", action="store_true", help="mock the execution of jobs")
    parser.add_argument("--arrays", action="store_true", help="all jobs are members of arrays")
    options = parser.parse_args()
    conf = [*options.conf, *([MOCK] if options.mock else [])]
    return bool(run(options.seed, options.kills, conf, as_arrays=options.arrays))


if __name__ == "__main__":
    sys.exit(main())
