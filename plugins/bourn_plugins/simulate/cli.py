"""Registers the command `simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.cli import CliCommand

if TYPE_CHECKING:
    from collections.abc import Iterator


def _simulate(arguments: list[str]) -> int:
    from bourn_plugins.simulate.command import main

    return main(arguments)


@hookimpl
def bourn_cli_commands() -> Iterator[CliCommand]:
    """``bourn simulate``."""
    yield CliCommand("simulate", "run a workload in virtual time under any scheduler and policy", _simulate)
