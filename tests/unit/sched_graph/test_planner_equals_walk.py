"""Reservations start when, and take what, the walk over vertices with their plans says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.queue.planner import Planner
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.walk.generic import scorer_of
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Traverser
from tests.unit.sched_graph.depth import depth, hold
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot

counts = st.integers(1, 3)


@st.composite
def jobs(draw: Any) -> tuple[list[dict[str, Any]], int]:
    duration = draw(st.integers(1, 8)) * 10
    inner = slot(draw(counts), res("core", draw(counts)))
    form = draw(st.sampled_from(["slot", "node", "node-x", "slot-node", "groups", "pool"]))
    if form == "slot":
        return [inner], duration
    if form == "node":
        return [res("node", draw(counts), inner)], duration
    if form == "node-x":
        return [res("node", draw(counts), inner, exclusive=True)], duration
    if form == "groups":
        return [inner, res("node", draw(counts), slot(1, res("core", draw(counts))))], duration
    if form == "pool":
        return [inner, res("pfs", draw(st.sampled_from([1, 1500])), exclusive=True)], duration
    return [slot(draw(counts), res("node", 1, res("core", draw(counts))))], duration


@pytest.mark.parametrize("name", ["low", "high", "hinode", "lonode", "lonodex"])
@depth(60, 2000)
def test_same_start_and_choice(name: str, examples: int) -> None:
    def check(racks: int, nodes: int, cores: int, requests: list[tuple[list[dict[str, Any]], int]]) -> None:
        same_start(name, racks, nodes, cores, requests)

    hold(
        check,
        examples,
        racks=st.integers(0, 2),
        nodes=st.integers(1, 3),
        cores=st.integers(1, 4),
        requests=st.lists(jobs(), min_size=1, max_size=14),
    )


def same_start(
    name: str, racks: int, nodes: int, cores: int, requests: list[tuple[list[dict[str, Any]], int]]
) -> None:
    graph = cluster(racks=racks, nodes=nodes, cores=cores, pfs=2)
    spec = stock.match_policy(name)
    policy = spec.factory({})
    planner = Planner(Engine(graph, Chooser(policy, spec.node_exclusive)))
    walk = Traverser(graph, scorer_of(policy), node_exclusive=spec.node_exclusive)
    planner.begin(0)
    for job, (resources, duration) in enumerate(requests, start=1):
        request = compile_request(jobspec(resources, duration))
        result = walk.match(request, Op.ALLOCATE_OR_RESERVE, job)
        parts = planner.fit_now(request, duration)
        start = 0.0
        if parts is not None:
            planner.start(job, parts, duration)
        else:
            reservation = planner.reserve(job, request, duration)
            if reservation is not None:
                start, parts = reservation.start, reservation.parts
        assert (parts is not None) == (result.outcome is Outcome.MATCHED), resources
        if parts is not None:
            assert start == result.at, resources
            own = {vertex.path for vertex in result.selected if vertex.exclusive}
            assert {vertex.path for vertex in planner.engine.vertices(parts)} == own, resources
