"""Registers the graph scheduler and its command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.cli import CliCommand
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterator


def _resource_query(arguments: list[str]) -> int:
    from bourn_plugins.sched_graph.query import main

    return main(arguments)


@hookimpl
def bourn_cli_commands() -> Iterator[CliCommand]:
    """``bourn resource-query``."""
    yield CliCommand("resource-query", "match jobspecs against a resource graph", _resource_query)


@hookimpl
def bourn_modules() -> Iterator[ModuleSpec]:
    """The module ``sched-graph``, the scheduler that an instance has unless it chooses another."""
    yield ModuleSpec(
        "sched-graph",
        "bourn_plugins.sched_graph.module:SchedGraph",
        provides=("sched", "feasibility"),
        ranks="0",
        requires=("resource", "job-manager"),
        priority=10,
    )
