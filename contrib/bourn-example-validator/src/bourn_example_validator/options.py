"""The option ``--ex-project``, which runs in the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.cli import CliOption

if TYPE_CHECKING:
    from collections.abc import Iterable


def set_project(jobspec: dict[str, Any], value: str) -> None:
    """Write the project into the jobspec."""
    jobspec["attributes"]["system"]["project"] = value


@hookimpl
def bourn_cli_options() -> Iterable[CliOption]:
    """Register it."""
    yield CliOption(
        "--ex-project", "the project that the job belongs to", set_project, argument={"metavar": "NAME"}
    )
