"""How fast requests are matched, and a graph is loaded.

usage: python tests/bench/match.py [--nodes 64,1024,4096,16384] [--policies first,low,...] [--cores 48]

Prints, per policy and size: matches/s of one slot of 4 cores and of 16 whole nodes (matched and taken),
jobs/s of allocate-or-reserve 200 deep, passes over 1,000 pending jobs, and the time and memory of building
the graph. Each figure is also given in updates of a bare Python dictionary in the same run, since machines
differ.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from bourn.hookspecs.sched import AllocRequest
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.engine.reasons import Reasons
from bourn_plugins.sched_graph.queue.book import Book
from bourn_plugins.sched_graph.queue.planner import Planner
from bourn_plugins.sched_graph.request import Request, compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.resources.graph import ResourceGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def build(nodes: int, cores: int, gpus: int = 0) -> ResourceGraph:
    """Return a flat cluster."""
    graph = ResourceGraph()
    root = graph.vertex("cluster", id=0)
    made = [graph.vertex("node", root, id=i, rank=i) for i in range(nodes)]
    for type, number in (("core", cores), ("gpu", gpus)):
        parents = [node for node in made for _ in range(number)]
        graph.leaves(parents, type, type, 1, "", [k for _ in made for k in range(number)], ranked=True)
    return graph


def request(resources: dict[str, Any], duration: float = 0) -> Request:
    """Compile what a job asks for."""
    tasks = [{"command": ["true"], "slot": "s", "count": {"per_slot": 1}}]
    system = {"system": {"duration": duration}}
    return compile_request({"version": 1, "resources": [resources], "tasks": tasks, "attributes": system})


def slots(number: int, cores: int) -> dict[str, Any]:
    """Slots of cores."""
    return {"type": "slot", "count": number, "label": "s", "with": [{"type": "core", "count": cores}]}


def whole(number: int) -> dict[str, Any]:
    """Whole nodes."""
    return {"type": "node", "count": number, "exclusive": True, "with": [slots(1, 1)]}


WHOLE = [request(whole(2 ** (k % 6)), 600 + 60 * k) for k in range(60)]
PARTS = [request(slots(1 + k * 7 % 16, 1 + k * 5 % 8), 600 + 60 * k) for k in range(60)]


def bare(seconds: float = 0.2) -> float:
    """Return how often a second this machine looks up and replaces a dictionary's entry."""
    table = dict.fromkeys(range(1000), 0)
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key in range(1000):
            table[key] = table[key] + 1
        count += 1000
    return count / seconds


def matches(engine: Engine, wanted: Request, limit: int) -> float:
    """Return matches a second, each of them taken; when there is no more, all is given back untimed."""
    seconds, count = 0.0, 0
    while count < limit:
        begin, job = time.perf_counter(), 0
        while count + job < limit:
            parts = engine.match(wanted)
            if parts is None:
                break
            engine.allocate(job, parts)
            job += 1
        seconds += time.perf_counter() - begin
        count += job
        for each in range(job):
            engine.free(each)
    return count / seconds


def best(measure: Callable[[], float]) -> float:
    """Return the best of three: other work on the machine only ever makes a figure worse."""
    return max(measure() for _ in range(3))


def reservations(engine: Engine, nodes: int, depth: int = 200) -> float:
    """Return jobs a second that are allocated or else reserved, until `depth` are reserved."""
    planner, wanted, dice = Planner(engine), request(whole(nodes)), random.Random(1)
    planner.begin(0.0)
    begin, count = time.perf_counter(), 0
    while len(planner.reservations) < depth:
        duration = dice.randint(600, 7200)
        parts = planner.fit_now(wanted, duration)
        if parts is not None:
            planner.start(count, parts, duration)
        else:
            planner.reserve(count, wanted, duration)
        count += 1
    rate = count / (time.perf_counter() - begin)
    for job in list(planner.ends):
        planner.finish(job)
    return rate


def passes(engine: Engine, policy: str, kinds: Sequence[Request], pending: int = 1000) -> float:
    """Return passes a second over a full machine with many jobs of many kinds pending."""
    planner, dice = Planner(engine), random.Random(1)
    spec = stock.find("bourn_queue_policies", "queue policy", policy)
    queue = spec.factory({"queue-depth": pending})
    book = Book(planner, lambda name: queue, Reasons(engine).not_now)
    for job in range(2 * pending):
        asked: Any = AllocRequest(job, 16, 0, float(job), None)  # type: ignore[arg-type]
        book.add(asked, dice.choice(kinds))
    book.run(0.0)
    begin = time.perf_counter()
    for k in range(3):
        book.run(1.0 + k)
    rate = 3 / (time.perf_counter() - begin)
    for job in list(planner.ends):
        planner.finish(job)
    return rate


def main(argv: Sequence[str] = ()) -> None:
    """Print the tables; `python -m tests.bench.match` takes options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", default="64,1024,4096,16384")
    parser.add_argument(
        "--policies",
        default="first,firstnodex,low,high,lonode,lonodex,hinode,hinodex,locality,variation,pack,spread,"
        "affinity,topology",
    )
    parser.add_argument("--cores", type=int, default=48)
    parser.add_argument("--exascale", action="store_true", help="also 11,136 nodes of 96 cores and 4 GPUs")
    options = parser.parse_args(argv)
    unit = bare()
    print(f"a bare dictionary update: {unit:,.0f}/s; in brackets, updates per match")
    sizes = [(int(number), options.cores, 0) for number in options.nodes.split(",")]
    if options.exascale:
        sizes.append((11136, 96, 4))
    for nodes, cores, gpus in sizes:
        begin = time.perf_counter()
        graph = build(nodes, cores, gpus)
        elapsed = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"\n{nodes} nodes of {cores} cores: graph built in {elapsed:.2f} s, peak so far {peak} MB")
        print(f"{'policy':<10} {'4-core slot':>20} {'16 nodes':>20} {'reserve, 200 deep':>20}")
        for name in options.policies.split(","):
            spec = stock.match_policy(name)
            engine = Engine(graph, Chooser(spec.factory({}), spec.node_exclusive))
            one, many = request(slots(1, 4)), request(whole(16))
            rates = [
                best(partial(matches, engine, one, 10000)),
                best(partial(matches, engine, many, 1000)),
                best(partial(reservations, engine, 16)),
            ]
            print(f"{name:<10}", *(f"{f'{rate:,.0f}/s [{unit / rate:,.0f}]':>20}" for rate in rates))
        engine = Engine(graph, Chooser(stock.match_policy("first").factory({})))
        for policy in ("easy", "conservative"):
            rate = best(partial(passes, engine, policy, WHOLE))
            print(f"{policy}, 1,000 pending: {rate:,.1f} passes/s")
        rate = best(partial(passes, Engine(build(32, 36), engine.chooser), "conservative", PARTS, 200))
        print(f"conservative, 200 pending for parts of 32 nodes: {rate:,.1f} passes/s")


if __name__ == "__main__":
    main(sys.argv[1:])
