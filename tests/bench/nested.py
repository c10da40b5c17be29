"""Instances in instances: from the submission of one to its first job, and jobs through several levels."""

from __future__ import annotations

import statistics
import time

import bourn
from bourn.client.events import wait_event
from bourn.model.jobspec_build import from_nest_command
from tests.bench import bare, report
from tests.bench.instance import bourn_command, drain, instance, jobspec, submit

COUNT = 2000
FOUR_NODES = 'resource.config=[{hosts="bench[0-3]",cores="0-3"}]'
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def main() -> None:
    """Print the seconds to a child's first job, of one broker and of four, and jobs/s at depth 1, 2 and 3."""
    python = bare.interpreter_start()
    with instance() as (handle, _):
        times = [_first_job(handle) for _ in range(6)]
    first = statistics.median(times[1:])
    report.seconds("nested: submit to first job started", first, python, "starting Python")
    with instance(FOUR_NODES, brokers=4) as (handle, _):
        times = [_first_job(handle, nodes=4) for _ in range(4)]
    four = statistics.median(times[1:])
    report.seconds("nested: the same, a child of 4 brokers", four, first, "a child of 1 broker")
    flat = 0.0
    for depth in (1, 2, 3):
        with instance() as (handle, _):
            rate = _rate(_leaves(handle, depth - 1, 16))
        flat = flat or rate
        leaves = 2 ** (depth - 1)
        what = f"nested: {COUNT:,} real jobs, depth {depth} ({leaves} instance{'s' if leaves > 1 else ''})"
        report.rate(what, rate, "jobs/s", flat, "depth 1")


def _leaves(handle: bourn.Handle, depth: int, cores: int) -> list[bourn.Handle]:
    """Raise two children on halves of the cores, and so on for `depth` levels; return the lowest ones."""
    if depth == 0:
        return [handle]
    children = [_child(handle, cores // 2) for _ in range(2)]
    return [leaf for child in children for leaf in _leaves(child, depth - 1, cores // 2)]


def _rate(leaves: list[bourn.Handle]) -> float:
    """Return jobs/s of `COUNT` jobs divided among instances."""
    for leaf in leaves:
        submit(leaf, jobspec("true"), 25)
        drain(leaf)
    begin = time.perf_counter()
    for leaf in leaves:
        submit(leaf, jobspec("true"), COUNT // len(leaves))
    for leaf in leaves:
        drain(leaf)
    return COUNT / (time.perf_counter() - begin)


def _nest(command: list[str], cores: int, nodes: int | None = None) -> dict[str, object]:
    spec = from_nest_command(command, nodes or 1, cores, num_nodes=nodes, environment=ENVIRONMENT, cwd="/tmp")
    spec["tasks"][0]["command"][:2] = bourn_command("start")
    return spec


def _first_job(handle: bourn.Handle, nodes: int | None = None) -> float:
    """Submit an instance whose program submits a job; return the seconds to that job's start."""
    program = [*bourn_command("submit"), "sleep", "inf"]
    program = ["sh", "-c", " ".join(program) + "; sleep inf"]
    id = submit(handle, _nest(program, 2, nodes), 1)[0]
    memo = wait_event(handle, id, "memo")
    with bourn.Handle(memo["context"]["uri"]) as child:
        while not (jobs := bourn.job.job_list(child)):
            time.sleep(0.005)
        started = wait_event(child, jobs[0].id, "start")["timestamp"]
    submitted = wait_event(handle, id, "submit")["timestamp"]
    bourn.job.cancel(handle, id)
    wait_event(handle, id, "clean")
    return float(started - submitted)


def _child(handle: bourn.Handle, cores: int) -> bourn.Handle:
    id = submit(handle, _nest(["sleep", "inf"], cores), 1)[0]
    return bourn.Handle(wait_event(handle, id, "memo")["context"]["uri"])


if __name__ == "__main__":
    main()
