"""Instances in instances: from the submission of one to its first job, and jobs through two of them."""

from __future__ import annotations

import statistics
import time

import bourn
from bourn.client.events import wait_event
from bourn.model.jobspec_build import from_nest_command
from tests.bench import bare, report
from tests.bench.instance import bourn_command, drain, instance, jobspec, submit

COUNT = 2000
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def main() -> None:
    """Print the seconds to a child's first job, and jobs/s of one level and of two children below one."""
    python = bare.interpreter_start()
    with instance() as (handle, _):
        times = [_first_job(handle) for _ in range(6)]
    first = statistics.median(times[1:])
    report.seconds("nested: submit to first job started", first, python, "starting Python")
    with instance() as (handle, _):
        submit(handle, jobspec("true"), 50)
        drain(handle)
        begin = time.perf_counter()
        submit(handle, jobspec("true"), COUNT)
        drain(handle)
        flat = COUNT / (time.perf_counter() - begin)
        children = [_child(handle, 8) for _ in range(2)]
        for child in children:
            submit(child, jobspec("true"), 25)
            drain(child)
        begin = time.perf_counter()
        for child in children:
            submit(child, jobspec("true"), COUNT // 2)
        for child in children:
            drain(child)
        nested = COUNT / (time.perf_counter() - begin)
        for child in children:
            child.close()
    report.rate("nested: 2,000 real jobs through two children", nested, "jobs/s", flat, "one level")


def _nest(command: list[str], cores: int) -> dict[str, object]:
    spec = from_nest_command(command, 1, cores, environment=ENVIRONMENT, cwd="/tmp")
    spec["tasks"][0]["command"][:2] = bourn_command("start")
    return spec


def _first_job(handle: bourn.Handle) -> float:
    """Submit an instance whose program submits a job; return the seconds to that job's start."""
    program = [*bourn_command("submit"), "sleep", "inf"]
    program = ["sh", "-c", " ".join(program) + "; sleep inf"]
    id = submit(handle, _nest(program, 2), 1)[0]
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
