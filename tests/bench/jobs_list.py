"""Listing finished jobs from the command line."""

from __future__ import annotations

from tests.bench import bare, report
from tests.bench.instance import MOCK, bourn_command, drain, instance, jobspec, submit
from tests.bench.timing import median


def main() -> None:
    """Print the seconds that `bourn jobs -a` takes over 2,000 finished jobs."""
    python = bare.interpreter_start()
    with instance(MOCK) as (handle, _):
        submit(handle, jobspec("true"), 2000)
        drain(handle)
        env = {"BOURN_URI": handle.uri, "PATH": "/usr/bin:/bin"}
        took = median(bourn_command("jobs", "-a", "-c", "0"), env)
    report.seconds("jobs -a, 2,000 finished", took, python, "starting Python")
