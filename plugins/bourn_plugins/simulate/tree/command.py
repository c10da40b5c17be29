"""`bourn simulate --tree`: how many jobs a second a tree of instances gets through."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from attrs import asdict

from bourn.cli.parser import Parser
from bourn.errors import BournError, ConfigError, suggest
from bourn.hookspecs.distribution import bourn_distribution_policies
from bourn_plugins.simulate.arguments import positive, seconds
from bourn_plugins.simulate.machine import machine_of_text
from bourn_plugins.simulate.setup import load_plugins
from bourn_plugins.simulate.trace import read_lines, read_trace, trace_format
from bourn_plugins.simulate.tree.costs import read_costs
from bourn_plugins.simulate.tree.leaf import Task
from bourn_plugins.simulate.tree.tree import Tree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bourn.hookspecs.distribution import DistributionPolicy
    from bourn_plugins.simulate.tree.tree import Outcome

DESCRIPTION = """\
Tell what a tree of instances gets through. Brokers and shell hosts are servers that take so much CPU time
a job, as measured; what hands jobs down is what does so in a real instance; within one cores are counted."""


def parser() -> Parser:
    """Return the parser of the command line."""
    found = Parser(prog="bourn simulate", description=DESCRIPTION)
    found.add_argument("trace", metavar="TRACE", nargs="?", help="jobs, each one task on one node")
    found.add_argument(
        "--tree", required=True, metavar="SHAPE", help="as [hierarchy] shape, or . for one instance"
    )
    found.add_argument("--costs", required=True, metavar="FILE", help="TOML, microseconds; docs/simulate.md")
    found.add_argument("--resources", required=True, metavar="WHAT", help="nodes=32,cores=36")
    found.add_argument(
        "--ensemble", type=positive, metavar="N", help="so many equal jobs in place of a trace"
    )
    found.add_argument(
        "--cores", type=positive, default=1, metavar="N", help="of each job of an ensemble (1)"
    )
    found.add_argument("--runtime", type=seconds, default=0.0, metavar="DURATION", help="of each of them (0)")
    found.add_argument("--distribution", default="round-robin", metavar="NAME", help="policy (round-robin)")
    found.add_argument(
        "--to-leaves", action="store_true", help="deal the jobs out to the lowest level, without the root"
    )
    found.add_argument(
        "--cpus", type=positive, default=0, metavar="N",
        help="all processes share so many CPUs; by default a leaf has one for each of its cores",
    )  # fmt: skip
    found.add_argument("--json", action="store_true")
    return found


def main(arguments: list[str]) -> int:
    """Simulate, and print what came of it."""
    options = parser().parse_args(arguments)
    if (options.trace is None) == (options.ensemble is None):
        raise BournError("say either TRACE or --ensemble N")
    machine = machine_of_text(options.resources)
    nodes = [(mask.bit_count(), 0) for mask in machine.cores.values()]
    policy, costs = _policy(options.distribution), read_costs(options.costs)
    try:
        tree = Tree(options.tree, nodes, policy, costs, options.cpus, to_leaves=options.to_leaves)
    except ConfigError as error:
        raise ConfigError(f"--tree: {error.message}") from None
    outcome = tree.run(_tasks(options))
    if options.json:
        levels = [asdict(level) for level in outcome.levels]
        found = {"jobs": len(outcome.tasks), "makespan": outcome.makespan, "rate": outcome.rate}
        json.dump({**found, "levels": levels}, sys.stdout)
        print()
    else:
        print(_text(outcome))
    return 0


def _tasks(options: argparse.Namespace) -> list[Task]:
    if options.trace is None:
        return [Task(id, options.cores, options.runtime) for id in range(1, options.ensemble + 1)]
    lines = read_lines(options.trace)
    jobs = read_trace(options.trace, lines, trace_format(lines)).jobs
    return [
        Task(id, max(job.jobspec.counts.ncores, 1), job.runtime, job.submit)
        for id, job in enumerate(jobs, start=1)
    ]


def _policy(name: str) -> Callable[[], DistributionPolicy]:
    plugins = load_plugins()
    specs = {spec.name: spec for _, spec in plugins.collect(bourn_distribution_policies)}
    if name not in specs:
        raise BournError(f"unknown distribution policy '{name}'{suggest(name, specs)}")
    return lambda: specs[name].factory({})


def _text(outcome: Outcome) -> str:
    rows = [
        ("jobs", f"{len(outcome.tasks):,}"),
        ("makespan", f"{outcome.makespan:.4g} s"),
        ("throughput", f"{outcome.rate:,.0f} jobs/s"),
    ]
    for depth, level in enumerate(outcome.levels, start=1):
        busy = f"broker busy {level.mean:.1%}" + (f", most {level.most:.1%}" if level.instances > 1 else "")
        count = f"{level.instances:,} instance{'s' if level.instances > 1 else ''}"
        rows.append((f"level {depth}", f"{count}, {busy}"))
    return "\n".join(f"{name:12} {value}" for name, value in rows)
