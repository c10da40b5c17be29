"""Registers the graph scheduler's command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.cli import CliCommand

if TYPE_CHECKING:
    from collections.abc import Iterator


def _resource_query(arguments: list[str]) -> int:
    from bourn_plugins.sched_graph.query.query import main

    return main(arguments)


@hookimpl
def bourn_cli_commands() -> Iterator[CliCommand]:
    """``bourn resource-query``."""
    yield CliCommand("resource-query", "match jobspecs against a resource graph", _resource_query)
