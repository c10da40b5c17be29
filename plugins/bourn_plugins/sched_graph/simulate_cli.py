"""`bourn simulate`: a trace, a graph and policies in virtual time."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from bourn.errors import BournError, suggest
from bourn.model.idset import IdSet
from bourn_plugins.sched_graph import chart, stock
from bourn_plugins.sched_graph.engine import Engine
from bourn_plugins.sched_graph.graph import ResourceGraph
from bourn_plugins.sched_graph.policy import Chooser
from bourn_plugins.sched_graph.simulate import Simulation
from bourn_plugins.sched_graph.trace import WORKLOADS, read_trace

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.simulate import Report, SimJob


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bourn simulate",
        description="Schedule a trace in virtual time with the objects that an instance schedules with.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("trace", nargs="?", metavar="FILE", help="a trace: .swf (Standard Workload Format) or JSON lines")
    add("--workload", metavar="NAME", help=f"a made-up one instead: {', '.join(WORKLOADS)}")
    add("-L", "--load-file", metavar="FILE", help="the resource graph")
    add("-f", "--load-format", metavar="FORMAT", default="grug", help="its format, as of resource-query")
    add("-N", "--nodes", type=int, default=4, help="without a graph: the number of nodes (default 4)")
    add("-c", "--cores", type=int, default=4, help="and of cores a node (default 4)")
    add("-g", "--gpus", type=int, default=0, help="and of GPUs a node (default 0)")
    add("-P", "--match-policy", metavar="NAME", default="first")
    add("-q", "--queue-policy", metavar="NAME", default="easy")
    add("--queue-depth", metavar="N,...", help="one table row for each")
    add("--reservation-depth", type=int, metavar="N")
    add("--seeds", metavar="IDSET", default="1", help="of a made-up workload: all are run (default 1)")
    add("--table", metavar="FILE", help="write a line a job, as CSV")
    add("--gantt", metavar="FILE", help="draw who had which node when, as SVG")
    add("--utilization", metavar="FILE", help="draw how much was in use, as SVG")
    return parser


def main(arguments: list[str]) -> int:
    """Run simulations and print a line for each."""
    options = _parser().parse_args(arguments)
    if (options.trace is None) == (options.workload is None):
        raise BournError("give either a trace or --workload")
    if options.workload and options.workload not in WORKLOADS:
        raise BournError(f"unknown workload '{options.workload}'{suggest(options.workload, WORKLOADS)}")
    graph = _graph(options)
    depths = [_number(text) for text in options.queue_depth.split(",")] if options.queue_depth else [None]
    seeds = list(IdSet(options.seeds)) if options.workload else [0]
    print(
        f"{'depth':>6} {'seed':>5} {'jobs':>7} {'makespan':>10} {'used':>7} {'saturated':>10} "
        f"{'mean wait':>10} {'slowdown':>9} {'took':>8}"
    )
    report = None
    for depth in depths:
        for seed in seeds:
            begin = time.perf_counter()
            report = _simulation(options, graph, depth).run(_jobs(options, graph, seed))
            _tell(report, depth, seed, time.perf_counter() - begin)
    if report is not None:
        _write(options, report)
    return 0


def _number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise BournError(f"--queue-depth: '{text}' is no number from 1")
    return int(text)


def _graph(options: argparse.Namespace) -> ResourceGraph:
    if options.load_file:
        from bourn_plugins.sched_graph.session import load_graph

        return load_graph(options.load_file, options.load_format, {})
    graph = ResourceGraph()
    root = graph.vertex("cluster", id=0)
    nodes = [graph.vertex("node", root, id=i, rank=i) for i in range(options.nodes)]
    for type, number in (("core", options.cores), ("gpu", options.gpus)):
        parents = [node for node in nodes for _ in range(number)]
        graph.leaves(parents, type, type, 1, "", [k for _ in nodes for k in range(number)], ranked=True)
    return graph


def _simulation(options: argparse.Namespace, graph: ResourceGraph, depth: int | None) -> Simulation:
    spec = stock.match_policy(options.match_policy)
    depths: dict[str, Any] = {}
    if depth is not None:
        depths["queue-depth"] = depth
    if options.reservation_depth is not None:
        depths["reservation-depth"] = options.reservation_depth
    policy = stock.find("bourn_queue_policies", "queue policy", options.queue_policy).factory(depths)
    return Simulation(Engine(graph, Chooser(spec.factory({}), spec.node_exclusive)), policy)


def _jobs(options: argparse.Namespace, graph: ResourceGraph, seed: int) -> list[SimJob]:
    if options.trace:
        return read_trace(options.trace)
    nodes = graph.nodes()
    cores = sum(vertex.type == "core" for vertex in graph.subtree(nodes[0])) if nodes else 1
    return WORKLOADS[options.workload](seed, len(nodes), cores)


def _tell(report: Report, depth: int | None, seed: int, took: float) -> None:
    refused = sum(bool(job.refused) for job in report.jobs)
    more = f"  {refused} refused" if refused else ""
    gpus = f"/{report.saturated_gpus:.1%}" if report.total_gpus else ""
    print(
        f"{depth or '-':>6} {seed:>5} {len(report.done):>7} "
        f"{report.makespan:>9,.0f}s {report.utilization:>7.1%} "
        f"{f'{report.saturated:.1%}{gpus}':>10} {report.mean(lambda job: job.wait):>9,.0f}s "
        f"{report.mean(lambda job: job.slowdown):>9.2f} {took:>7.2f}s{more}"
    )


def _write(options: argparse.Namespace, report: Report) -> None:
    if options.table == "-":
        _table(report, sys.stdout)
    elif options.table:
        with open(options.table, "w", newline="", encoding="utf-8") as stream:
            _table(report, stream)
    for file, draw in ((options.gantt, chart.gantt), (options.utilization, chart.utilization)):
        if file:
            with open(file, "w", encoding="utf-8") as stream:
                stream.write(draw(report))


def _table(report: Report, stream: TextIO) -> None:
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["id", "name", "submit", "start", "end", "wait", "cores", "gpus", "nodes", "refused"])
    for job in report.jobs:
        nodes = str(IdSet(job.nodes)) if job.nodes else ""
        row = [job.id, job.name, job.submit, job.start, job.end, job.wait]
        table.writerow([*row, job.cores, job.gpus, nodes, job.refused])
