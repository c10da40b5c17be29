"""Queues of different match policies over one graph."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.engine.twins import translate
from bourn_plugins.sched_graph.queue.planner import Planner
from bourn_plugins.sched_graph.request import Request, compile_request
from bourn_plugins.sched_graph.resources import stock
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot

POLICIES = ("low", "high", "lonodex", "pack", "first")


def planners(names: tuple[str, ...], **sizes: int) -> list[Planner]:
    graph = cluster(**sizes)
    found: list[Planner] = []
    for name in names:
        spec = stock.match_policy(name)
        planner = Planner(Engine(graph, Chooser(spec.factory({}), spec.node_exclusive)))
        if found:
            planner.join(found[0])
        found.append(planner)
    return found


def ask(*resources: dict[str, Any]) -> Request:
    return compile_request(jobspec(list(resources)))


def paths(planner: Planner, job: int) -> list[str]:
    engine = planner.engine
    return sorted(vertex.path for vertex in engine.vertices(engine.jobs[job]))


def test_each_queue_by_its_own_policy() -> None:
    low, high, whole = planners(("low", "hinode", "lonodex"), nodes=4, cores=2)
    one = ask(slot(1, res("core", 1)))
    for job, planner in enumerate((low, high, low, high, whole)):
        parts = planner.fit_now(one, 10)
        assert parts is not None
        planner.start(job, parts, 10.0)
    assert [paths(low, job) for job in range(4)] == [
        ["/cluster0/node0/core0"],
        ["/cluster0/node3/core1"],
        ["/cluster0/node1/core0"],
        ["/cluster0/node3/core0"],
    ]
    assert all(planner.ends == low.ends for planner in (high, whole))
    assert paths(low, 4) == paths(whole, 4)


def test_what_one_reserves_the_others_leave_alone() -> None:
    low, high = planners(("low", "high"), nodes=2, cores=2)
    low.begin(0.0)
    half = high.fit_now(ask(slot(1, res("core", 1))), 50)
    assert half is not None
    high.start(1, half, 50.0)
    both = ask(res("node", 2, slot(1, res("core", 1)), exclusive=True))
    made = low.reserve(2, both, 100.0)
    assert made is not None
    assert made.start == 50.0
    one = ask(slot(1, res("core", 1)))
    assert high.fit_now(one, 50) is not None
    assert high.fit_now(one, 51) is None
    high.begin(1.0)
    assert high.fit_now(one, 51) is not None


requests = st.sampled_from(
    [
        ask(slot(1, res("core", 1))),
        ask(slot(1, res("core", 2), res("gpu", 1))),
        ask(slot(1, res("socket", 1))),
        ask(res("node", 2, slot(1, res("core", 2)))),
        ask(res("node", 1, slot(1, res("core", 1)), exclusive=True)),
        ask(slot(2, res("memory", 3))),
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.tuples(st.integers(0, 4), requests), st.integers(0, 12)), min_size=1, max_size=16)
)
def test_all_engines_have_the_same_in_use(steps: list[Any]) -> None:
    found = planners(POLICIES, racks=2, nodes=2, sockets=2, cores=2, gpus=1, memory=2)
    first = found[0].engine
    for job, step in enumerate(steps):
        if isinstance(step, int):
            found[0].finish(step)
        else:
            which, request = step
            parts = found[which].fit_now(request, 10.0)
            if parts is not None:
                found[which].start(job, parts, 10.0)
        for planner in found[1:]:
            engine = planner.engine
            assert {one: paths(planner, one) for one in engine.jobs} == {
                one: paths(found[0], one) for one in first.jobs
            }
            for type in ("core", "gpu", "socket", "node", "memory"):
                assert engine.free_units(type) == first.free_units(type)
            for mine, other in zip(engine.cells, first.cells, strict=True):
                assert (mine.users, mine.taken) == (other.users, other.taken)
            for parts in engine.jobs.values():
                there = translate(parts, engine, first)
                back = translate(there, first, engine)
                assert [(pick.leaves, pick.kids != ()) for _, pick in back] == [
                    (pick.leaves, pick.kids != ()) for _, pick in parts
                ]
