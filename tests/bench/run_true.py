"""One job end to end from the command line."""

from __future__ import annotations

from tests.bench import bare, report
from tests.bench.instance import bourn_command, instance
from tests.bench.timing import median


def main() -> None:
    """Print the seconds that `bourn run true` takes in a warm instance."""
    python = bare.interpreter_start()
    with instance() as (handle, _):
        env = {"BOURN_URI": handle.uri, "PATH": "/usr/bin:/bin"}
        report.seconds("run true", median(bourn_command("run", "true"), env), python, "starting Python")
