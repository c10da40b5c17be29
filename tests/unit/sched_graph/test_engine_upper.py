"""What stands above nodes, and storage beside them, in the interned matcher."""

from __future__ import annotations

from typing import Any

import pytest

from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.queue.planner import Planner
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot

CORE = slot(1, res("core", 1))


def engine(**size: int) -> Engine:
    return Engine(cluster(**size), Chooser(stock.match_policy("low").factory({})))


def match(found: Engine, *resources: dict[str, Any], **system: Any) -> list[str] | None:
    parts = found.match(compile_request(jobspec(list(resources), 0, **system)))
    if parts is None:
        return None
    found.allocate(len(found.jobs) + 1, parts)
    return [vertex.path.removeprefix("/cluster0/") for vertex in found.vertices(parts)]


def test_constraints_reach_through_what_is_named_above() -> None:
    found = engine(racks=2, nodes=2, cores=1)
    wanted = res("cluster", 1, res("rack", 1, res("node", 1, CORE)))
    ranks = {"constraints": {"ranks": ["3"]}}
    assert match(found, wanted, **ranks) == ["rack1/node1/core0"]
    assert match(found, wanted, **ranks) is None


def test_a_slot_of_a_rack_is_the_whole_rack() -> None:
    found = engine(racks=3, nodes=2, cores=1)
    assert match(found, CORE) == ["rack0/node0/core0"]
    taken = match(found, slot(2, res("rack", 1, res("node", 1))))
    assert taken is not None
    assert [path for path in taken if path.count("/") == 1] == [
        *("rack1/node0", "rack1/node1", "rack2/node0", "rack2/node1"),
    ]
    assert match(found, slot(1, res("rack", 1))) is None


def test_side_by_side_requests_share_nothing() -> None:
    found = engine(racks=1, nodes=2, cores=1)
    assert match(found, slot(1, res("node", 1)), res("rack", 1, res("node", 2, CORE))) is None
    assert match(found, slot(1, res("node", 1)), res("rack", 1, res("node", 1, CORE))) == [
        *("rack0/node0", "rack0/node0/core0", "rack0/node1/core0"),
    ]


def test_pools_count_by_what_they_hold() -> None:
    found = engine(racks=2, nodes=1, cores=4, ssds=2, pfs=1)
    two = [res("rack", 1, CORE, res("ssd", 150, exclusive=True))]
    assert match(found, *two) == ["rack0/node0/core0", "rack0/ssd0", "rack0/ssd1"]
    assert match(found, *two) == ["rack1/node0/core0", "rack1/ssd0", "rack1/ssd1"]
    assert match(found, *two) is None
    # What is shared must be there, and isn't held: it has room for more jobs, also for one that wants it all.
    for _ in range(2):
        assert match(found, CORE, res("pfs", 1000)) is not None
    assert match(found, CORE, res("pfs", 1001)) is None
    assert match(found, CORE, res("pfs", 1, exclusive=True)) == ["rack0/node0/core2", "pfs0"]
    assert match(found, res("pfs", 1)) is None


def test_an_empty_rack_hides_no_other() -> None:
    graph = cluster(racks=2, nodes=1, cores=1)
    graph.remove(graph.nodes()[0])
    found = Engine(graph, Chooser(stock.match_policy("low").factory({})))
    assert match(found, res("rack", 1, res("node", 1, CORE))) == ["rack1/node0/core0"]


@pytest.mark.parametrize(
    ("inside", "cores"),
    [
        ([slot(1, res("core", 1)), slot(1, res("core", 2))], 3),
        ([slot(1, res("core", 1)), res("core", 2, exclusive=True)], 3),
        ([res("core", 2, exclusive=True), slot(2, res("core", 1))], 4),
        ([res("core", 2), slot(2, res("core", 1))], 2),
        ([slot(1, res("core", 1), res("core", 2))], 3),
        ([slot(2, res("core", 1), res("core", 1))], 4),
        ([slot(3, res("core", 1)), slot(1, res("core", 2))], None),
        ([slot(2, res("core", 1), res("core", 2))], None),
    ],
)
@pytest.mark.parametrize("sockets", [0, 1])
def test_what_lies_side_by_side_in_a_node_shares_nothing(
    sockets: int, inside: list[dict[str, Any]], cores: int | None
) -> None:
    found = engine(nodes=1, sockets=sockets, cores=4)
    if sockets:
        inside = [res("socket", 1, *inside)]
    taken = match(found, res("node", 1, *inside))
    assert (taken and sum("core" in path for path in taken)) == cores


def test_slots_in_other_sockets_share_nothing() -> None:
    found = engine(nodes=1, sockets=2, cores=2)
    pair = res("node", 1, slot(1, res("core", 2)), slot(1, res("socket", 1)))
    taken = match(found, pair)
    assert taken is not None
    assert sorted(path.removeprefix("node0/") for path in taken) == [
        *("socket0/core0", "socket0/core1", "socket1", "socket1/core2", "socket1/core3"),
    ]
    assert match(engine(nodes=1, sockets=2, cores=2), res("node", 1, *[slot(2, res("core", 1))] * 3)) is None


def test_a_pool_is_waited_for() -> None:
    planner = Planner(engine(nodes=1, cores=2, pfs=1))
    request = compile_request(jobspec([res("pfs", 600, exclusive=True)], 10))
    planner.begin(0)
    parts = planner.fit_now(request, 10)
    assert parts is not None
    planner.start(1, parts, 10)
    assert planner.fit_now(request, 10) is None
    reserved = planner.reserve(2, request, 10)
    assert reserved is not None
    assert reserved.start == 10
