"""Shapes of canonical jobspecs: walk and engine give them the same, and R says which slots are where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bourn_plugins.sched_graph.engine.allocation import parts_of, rset_of
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.walk.generic import scorer_of
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Traverser
from tests.unit.sched_graph.canonical import Machine, center, flat, sockets
from tests.unit.sched_graph.graphs import jobspec, res

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph


def slot(label: str, count: int, *children: dict[str, Any]) -> dict[str, Any]:
    return {"type": "slot", "count": count, "label": label, "with": list(children)}


def tiers() -> ResourceGraph:
    """A pool for all, one in each of two racks, and one in the last node of each."""
    machine = Machine()
    machine.add("storage", size=1024)
    for _ in range(2):
        rack = machine.add("rack")
        machine.add("storage", rack, size=512)
        machine.node(rack, core=4)
        machine.add("storage", machine.node(rack, core=4), size=100)
    return machine.graph


CORE = res("core", 1)
SHAPES: dict[str, Any] = {
    # (machine, resources, the slots on each rank; None: it doesn't fit)
    "slots in one node": (flat, [res("node", 1, slot("a", 10, CORE), slot("b", 1, res("core", 6)))],
                          {"a": {"0": 10}, "b": {"0": 1}}),
    "too many of them": (flat, [res("node", 1, slot("a", 11, CORE), slot("b", 1, res("core", 6)))], None),
    "slots anywhere": (flat, [slot("a", 3, res("core", 8)), slot("b", 1, res("gpu", 4))],
                       {"a": {"0-2": 1}, "b": {"0": 1}}),
    "nodes beside slots": (flat, [slot("a", 1, res("core", 2)), res("node", 2, slot("b", 2, res("core", 8)))],
                           {"a": {"0": 1}, "b": {"1-2": 2}}),
    "unlike nodes": (tiers, [res("storage", 1000), res("node", 2, slot("a", 2, CORE)),
                             res("node", 2, slot("b", 1, CORE, res("storage", 50)))],
                     {"a": {"0,2": 2}, "b": {"1,3": 1}}),
    "more than there are of a kind": (tiers, [res("node", 1, slot("a", 1, CORE)),
                                              res("node", 3, slot("b", 1, CORE, res("storage", 50)))], None),
    "sockets of a node": (sockets, [res("node", 2, res("socket", 1, slot("a", 4, CORE)),
                                        res("socket", 1, slot("b", 1, res("memory", 8))))],
                          {"a": {"0-1": 4}, "b": {"0-1": 1}}),
    "slots of several nodes": (sockets, [slot("a", 2, res("node", 2)), slot("b", 1, res("node", 1))],
                               {"a": {"0,2": 1}, "b": {"4": 1}}),
    "racks": (tiers, [res("rack", 1, res("storage", 512, exclusive=True), slot("a", 2, res("node", 1))),
                      res("rack", 1, slot("b", 1, res("node", 1)))],
              {"a": {"0-1": 1}, "b": {"2": 1}}),
    "clusters and a switch": (center, [res("cluster", 2, slot("a", 1, res("node", 1))),
                                       res("switch", 1, slot("b", 2, res("node", 1)))],
                              {"a": {"0,3": 1}, "b": {"6-7": 1}}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name: str) -> None:
    make, resources, slots = SHAPES[name]
    graph = make()
    request = compile_request(jobspec(resources))
    policy = stock.match_policy("low").factory({})
    engine = Engine(graph, Chooser(policy))
    parts = engine.match(request)
    result = Traverser(graph, scorer_of(policy)).match(request, Op.ALLOCATE, 1)
    if slots is None:
        assert (parts, result.outcome) == (None, Outcome.BUSY)
        return
    assert parts is not None
    assert result.outcome is Outcome.MATCHED
    own = {path for vertex in result.selected if vertex.exclusive for path in vertex.paths.values()}
    assert own <= {vertex.path for vertex in engine.vertices(parts)}
    assert rset_of(engine, parts, 0, 0, unlike=True)["attributes"]["system"]["slots"] == slots


def test_pools_are_held_by_what_is_exclusive() -> None:
    engine = Engine(tiers(), Chooser(stock.match_policy("low").factory({})))

    def starts(job: int, *resources: dict[str, Any]) -> bool:
        parts = engine.match(compile_request(jobspec(list(resources))))
        if parts is not None:
            engine.allocate(job, parts)
        return parts is not None

    cores, pool = slot("a", 1, CORE), res("storage", 1100, exclusive=True)
    assert starts(1, cores, pool)
    assert starts(2, cores, res("storage", 300))
    assert not starts(3, cores, pool)
    assert not starts(3, cores, res("storage", 700))
    engine.free(1)
    assert starts(3, cores, pool)


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape[2] is not None])
def test_what_a_job_holds_is_in_its_r(name: str) -> None:
    """A scheduler that is started anew takes it from there."""
    make, resources, _ = SHAPES[name]
    first, second = (Engine(make(), Chooser(stock.match_policy("low").factory({}))) for _ in range(2))
    parts = first.match(compile_request(jobspec(resources)))
    assert parts is not None
    again = parts_of(second, rset_of(first, parts, 0, 0), exclusive=False)
    leaves = {vertex.path for vertex in first.vertices(parts) if not vertex.kids}
    assert {vertex.path for vertex in second.vertices(again) if not vertex.kids} == leaves
