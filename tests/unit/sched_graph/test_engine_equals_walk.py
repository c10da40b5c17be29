"""The interned matcher chooses what the brute-force walk over vertices chooses, for sequences of jobs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.walk.generic import scorer_of
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Traverser
from tests.unit.sched_graph.depth import depth, hold
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot

POLICIES = ("high", "low", "hinode", "lonode", "hinodex", "lonodex")

counts = st.integers(1, 3)
spread = st.one_of(
    counts,
    st.builds(
        lambda low, more, operand: {"min": low, "max": low + more, "operator": "+", "operand": operand},
        counts,
        st.integers(0, 4),
        st.integers(1, 2),
    ),
)
leaves = st.lists(st.sampled_from(["core", "gpu", "memory"]), min_size=1, max_size=3, unique=True).flatmap(
    lambda types: st.tuples(*(st.builds(res, st.just(type), counts) for type in types))
)


@st.composite
def shapes(draw: Any) -> tuple[dict[str, int], list[list[dict[str, Any]]]]:
    """A graph, and jobs that make sense on it."""
    size = {
        "racks": draw(st.integers(0, 2)),
        "nodes": draw(st.integers(1, 4)),
        "sockets": draw(st.sampled_from([0, 0, 2])),
        "cores": draw(st.integers(1, 4)),
        "gpus": draw(st.integers(0, 2)),
        "memory": draw(st.integers(0, 2)),
        "ssds": draw(st.sampled_from([0, 0, 1, 2])),
        "pfs": draw(st.sampled_from([0, 0, 1, 2])),
        "piece": draw(st.sampled_from([1, 2, 2, 5])),
    }
    return size, draw(st.lists(requests(size), min_size=1, max_size=12))


@st.composite
def requests(draw: Any, size: dict[str, int]) -> list[dict[str, Any]]:
    """A request for nodes or parts of them, or for unlike groups of those, and perhaps for storage in their
    rack or at the top.
    """
    if draw(st.integers(0, 3)) == 0:
        groups = draw(st.lists(jobs(bool(size["sockets"]), bool(size["racks"])), min_size=2, max_size=3))
        # In a rack that was asked for slots are filled from its nodes, or from what lies right in those.
        lie_in = ("node", "slot") if size["racks"] and not size["sockets"] else ("node",)
        inside = [group for group in groups if group["type"] in lie_in]
        if inside and draw(st.booleans()):
            return [res("rack" if size["racks"] else "cluster", draw(counts), *inside)]
        return groups
    job = draw(jobs(bool(size["sockets"]), bool(size["racks"])))
    storage = [type for type, number in (("ssd", size["ssds"]), ("pfs", size["pfs"])) if number]
    beside = [
        res(
            type,
            draw(st.sampled_from([1, 60, 150, {"min": 50}])),
            exclusive=draw(st.sampled_from([None, True])),
        )
        for type in draw(st.lists(st.sampled_from(storage), unique=True) if storage else st.just([]))
    ]
    # What lies in a vertex that is asked for must be asked for in it.
    if job["type"] in ("rack", "cluster"):
        there = {"rack": {"ssd"}, "cluster": {"pfs"} if size["racks"] else {"pfs", "ssd"}}[job["type"]]
        job["with"] += [each for each in beside if each["type"] in there]
        beside = [each for each in beside if job["type"] == "rack" and each["type"] == "pfs"]
    return [job, *beside]


@st.composite
def jobs(draw: Any, sockets: bool, racks: bool) -> dict[str, Any]:
    inner = [slot(draw(spread), *draw(leaves))]
    if draw(st.integers(0, 3)) == 0:
        # Beside a slot: another one, or what isn't in a slot.
        inner.append(draw(st.builds(lambda count, parts: slot(count, *parts), counts, leaves)))
    else:
        others = [
            type for type in ("core", "gpu", "memory") if all(type != c["type"] for c in inner[0]["with"])
        ]
        beside = st.lists(st.sampled_from(others), unique=True, max_size=2) if others else st.just([])
        either = st.sampled_from([None, True])
        inner += [res(type, draw(counts), exclusive=draw(either)) for type in draw(beside)]
    exclusive = st.sampled_from([None, None, True])
    form = draw(st.sampled_from(["slot", "node", "slot-node", "rack", "node-x", "slots-in"]))
    if form == "slot":
        return inner[0]
    if sockets and draw(st.booleans()):
        inner = [res("socket", draw(st.integers(1, 2)), *inner, exclusive=draw(exclusive))]
    if form == "node":
        return res("node", draw(spread), *inner, exclusive=draw(exclusive))
    if form == "node-x":
        return res("node", draw(spread), *inner, exclusive=True)
    if form == "slot-node":
        below = list(draw(leaves))
        if sockets:
            below = [res("socket", draw(st.integers(1, 2)), *below)]
        return slot(draw(spread), res("node", draw(counts), *below))
    if form == "slots-in":
        # With sockets, cores are two levels below a node: a level between must be named.
        inside = [res("socket", 1, *draw(leaves))] if sockets else draw(leaves)
        nodes = slot(draw(spread), res("node", draw(counts), *inside))
        # A slot may lie one level below what it is asked for in.
        return res("rack", draw(counts), nodes) if racks and draw(st.booleans()) else res("cluster", 1, nodes)
    if not racks:
        return res("cluster", 1, res("node", draw(spread), *inner))
    return res("rack", draw(counts), res("node", draw(spread), *inner), exclusive=draw(exclusive))


def taken(vertices: list[Any]) -> set[str]:
    return {vertex.path for vertex in vertices}


@pytest.mark.parametrize("name", POLICIES)
@depth(80, 2000)
def test_same_choice(name: str, examples: int) -> None:
    def check(case: tuple[dict[str, int], list[list[dict[str, Any]]]], frees: list[int]) -> None:
        same_choice(name, case, frees)

    hold(check, examples, case=shapes(), frees=st.lists(st.integers(0, 11), max_size=12))


def same_choice(name: str, case: tuple[dict[str, int], list[list[dict[str, Any]]]], frees: list[int]) -> None:
    size, wanted = case
    graph = cluster(**size)
    spec = stock.match_policy(name)
    policy = spec.factory({})
    engine = Engine(graph, Chooser(policy, spec.node_exclusive))
    walk = Traverser(graph, scorer_of(policy), node_exclusive=spec.node_exclusive)
    upper = {"cluster", "rack"}
    for job, resources in enumerate(wanted, start=1):
        request = compile_request(jobspec(resources))
        result = walk.match(request, Op.ALLOCATE, job)
        parts = engine.match(request)
        matched = result.outcome is Outcome.MATCHED
        assert (parts is not None) == matched, resources
        if parts is not None:
            own = {vertex.path for vertex in result.selected if vertex.exclusive and vertex.type not in upper}
            assert taken(engine.vertices(parts)) == own, resources
            engine.allocate(job, parts)
        gone = frees[job - 1] if job - 1 < len(frees) else 0
        if 0 < gone <= job and gone in engine.jobs:
            engine.free(gone)
            walk.cancel(gone)
