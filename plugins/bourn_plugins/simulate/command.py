"""The command line of `bourn simulate`."""

from __future__ import annotations

import json
import random
import sys
import time
from math import inf
from typing import TYPE_CHECKING, Any

from attrs import evolve

from bourn.cli.parser import Parser
from bourn.errors import BournError
from bourn_plugins.simulate.arguments import positive, seconds
from bourn_plugins.simulate.gantt import gantt_chart
from bourn_plugins.simulate.job import Trace
from bourn_plugins.simulate.machine import machine_of_file, machine_of_text
from bourn_plugins.simulate.picture import check_picture, save_picture
from bourn_plugins.simulate.plot import usage_plot
from bourn_plugins.simulate.report import repeat_table, summary_text
from bourn_plugins.simulate.setup import configure, load_plugins, make_setting
from bourn_plugins.simulate.stats import summarise
from bourn_plugins.simulate.table import csv_table, row_of, text_table
from bourn_plugins.simulate.trace import FORMATS, read_lines, read_trace, trace_format

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bourn.hookspecs.resource_io import ResourceReader
    from bourn.plugins import PluginManager
    from bourn_plugins.simulate.job import Job
    from bourn_plugins.simulate.machine import Machine
    from bourn_plugins.simulate.setup import Setting
    from bourn_plugins.simulate.simulation import Result
    from bourn_plugins.simulate.swf import TraceFile

DESCRIPTION = """\
Run a workload on made-up resources in virtual time, under the very scheduler and policies of an instance, and
tell how it went. Equal input and seed give equal output. With --tree SHAPE it tells how many jobs a second a
tree of instances gets through: see `bourn simulate --tree . --help`."""


def parser() -> Parser:
    """Return the parser of the command line."""
    found = Parser(prog="bourn simulate", description=DESCRIPTION)
    found.add_argument(
        "trace", metavar="TRACE", help="Standard Workload Format or JSON lines, may be gzipped"
    )
    found.add_argument("--format", choices=FORMATS, help="format of TRACE; by default by its first line")
    found.add_argument(
        "--whole-nodes",
        action="store_true",
        help="a job of an SWF trace gets as many whole nodes as have its processors",
    )
    found.add_argument("--shuffle", action="store_true", help="mix up the jobs; submit times stay")
    found.add_argument("--seed", type=int, default=1, metavar="N", help="for --shuffle and --repeat (1)")
    found.add_argument(
        "--repeat", type=positive, default=1, metavar="N",
        help="simulate N times, shuffled by the seeds SEED, SEED+1, ...; pictures and jobs are of the first",
    )  # fmt: skip
    found.add_argument("--until", type=seconds, metavar="DURATION", help="stop the clock there")
    what = found.add_argument_group("resources and scheduler")
    what.add_argument(
        "--resources", metavar="WHAT",
        help="nodes=4,cores=36,gpus=4 (of each node), or a file that a resource reader knows; by default "
        "what an SWF header says",
    )  # fmt: skip
    what.add_argument(
        "--resources-format", default="", metavar="NAME", help="format of that file; by default by its suffix"
    )
    what.add_argument(
        "--config", action="append", default=[], metavar="PATH", help="an instance's configuration"
    )
    what.add_argument(
        "--scheduler", default="", metavar="NAME", help="the module, as sched-graph or sched-simple"
    )
    what.add_argument("--match-policy", metavar="NAME")
    what.add_argument("--queue-policy", metavar="NAME")
    what.add_argument("--queue-depth", type=positive, metavar="N")
    what.add_argument("--reservation-depth", type=int, metavar="N")
    out = found.add_argument_group("output")
    out.add_argument("--jobs", action="store_true", help="print the table of jobs as well")
    out.add_argument("--jobs-csv", metavar="FILE", help="write the table of jobs as CSV")
    out.add_argument("--gantt", metavar="FILE", help="draw who had what and when, .svg or .png")
    out.add_argument("--plot", metavar="FILE", help="draw utilisation and queue over time, .svg or .png")
    out.add_argument("--json", action="store_true", help="print figures and jobs as JSON instead")
    out.add_argument(
        "--speed-independent", action="store_true",
        help="don't tell on standard error how fast it went: nothing then depends on the machine",
    )  # fmt: skip
    return found


def main(arguments: list[str]) -> int:
    """Simulate, and print what came of it."""
    if any(word.partition("=")[0] == "--tree" for word in arguments):
        from bourn_plugins.simulate.tree import command

        return command.main(arguments)
    options = parser().parse_args(arguments)
    for path in (options.gantt, options.plot):
        if path:
            check_picture(path)
    setting, found = _read(options)
    until = inf if options.until is None else options.until
    shuffled = options.shuffle or options.repeat > 1
    begin = time.perf_counter()
    results = [
        setting.run(Trace(mixed(found.jobs, options.seed + i) if shuffled else tuple(found.jobs)), until)
        for i in range(options.repeat)
    ]
    elapsed = time.perf_counter() - begin
    _write(options, setting, results, found.skipped)
    if not options.speed_independent:
        events = sum(result.events for result in results)
        print(f"{events:,} events in {elapsed:.2f} s: {events / elapsed:,.0f} events/s", file=sys.stderr)
    return 0


def mixed(jobs: Sequence[Job], seed: int) -> tuple[Job, ...]:
    """Return the jobs in another order; the i-th still comes at the i-th submit time."""
    order = list(jobs)
    random.Random(seed).shuffle(order)
    return tuple(evolve(job, submit=place.submit) for job, place in zip(order, jobs, strict=True))


def _read(options: argparse.Namespace) -> tuple[Setting, TraceFile]:
    lines = read_lines(options.trace)
    format = options.format or trace_format(lines)
    if options.whole_nodes and format != "swf":
        raise BournError("--whole-nodes is for traces in the Standard Workload Format")
    plugins = load_plugins(configure(options.config))
    if options.resources:
        machine = _machine(options, plugins)
    else:
        machine = _machine_of_header(read_trace(options.trace, lines, format))
    cores = machine.cores_per_node if options.whole_nodes else 0
    found = read_trace(options.trace, lines, format, cores)
    keys = {key: getattr(options, key.replace("-", "_")) for key in _KEYS}
    keys = {key: value for key, value in keys.items() if value is not None}
    return make_setting(machine, plugins, options.scheduler, keys, options.config), found


_KEYS = ("match-policy", "queue-policy", "queue-depth", "reservation-depth")


def _machine_of_header(found: TraceFile) -> Machine:
    if found.machine is None:
        raise BournError("--resources is missing, and the trace has no header that says MaxNodes or MaxProcs")
    nodes, cores = found.machine
    return machine_of_text(f"nodes={nodes},cores={cores}")


def _machine(options: argparse.Namespace, plugins: PluginManager) -> Machine:
    if "=" in options.resources and not options.resources_format:
        return machine_of_text(options.resources)
    readers: Mapping[str, ResourceReader] = {
        reader.name: reader for _, reader in plugins.collect("bourn_resource_readers")
    }
    return machine_of_file(options.resources, options.resources_format, readers)


def _write(options: argparse.Namespace, setting: Setting, results: Sequence[Result], skipped: int) -> None:
    capacity, first = setting.machine.capacity, results[0]
    summaries = [summarise(result, capacity) for result in results]
    facts = {"scheduler": setting.scheduler.name, **first.facts}
    if options.json:
        data: dict[str, Any] = {"scheduler": {k: v for k, v in facts.items() if isinstance(v, str)}}
        data["runs"] = [summary.as_dict() for summary in summaries]
        data["jobs"] = [row_of(record) for record in first.records]
        json.dump(data, sys.stdout)
        print()
    else:
        print(summary_text(summaries[0], facts, capacity, skipped), end="")
        if len(results) > 1:
            print("\n" + repeat_table(summaries, options.seed), end="")
        if options.jobs:
            print("\n" + text_table(first.records), end="")
    if options.jobs_csv:
        try:
            with open(options.jobs_csv, "w", encoding="utf-8", newline="") as stream:
                stream.write(csv_table(first.records))
        except OSError as error:
            raise BournError(f"{options.jobs_csv}: {error.strerror}") from None
    if options.gantt:
        save_picture(options.gantt, gantt_chart(first, setting.machine))
    if options.plot:
        save_picture(options.plot, usage_plot(first, capacity))
