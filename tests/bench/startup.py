"""An instance from nothing to nothing."""

from __future__ import annotations

from tests.bench import bare, report
from tests.bench.instance import bourn_command
from tests.bench.timing import median


def main() -> None:
    """Print the seconds that `bourn start bourn run true` and `bourn start true` take."""
    python = bare.interpreter_start()
    report.seconds("startup: start, stop", median(bourn_command("start", "true")), python, "starting Python")
    whole = median(bourn_command("start", *bourn_command("run", "true")))
    report.seconds("startup: start, run `true`, stop", whole, python, "starting Python")
