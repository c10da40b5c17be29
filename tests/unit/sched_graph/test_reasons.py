"""Why a request can never be met, and why it waits."""

from __future__ import annotations

from typing import Any

import pytest

from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.engine.reasons import Reasons
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot


def reasons(**size: int) -> Reasons:
    return Reasons(Engine(cluster(**size), Chooser(stock.match_policy("low").factory({}))))


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (res("node", 1, slot(1, res("core", 1), res("gpu", 2))), "no node has 2 gpu; the most is 1"),
        (res("node", 9, slot(1, res("core", 1))), "needs 9 nodes, the instance has 4"),
        (slot(1, res("core", 5)), "needs 5 cores in a node; the largest has 4"),
        (slot(1, res("fpga", 1)), "no node has 1 fpga"),
        (res("node", 1, slot(3, res("core", 2))), "needs 6 cores in a node; the largest has 4"),
        (slot(30, res("core", 1)), "needs 30 cores, the instance has 16"),
    ],
)
def test_never(resources: dict[str, Any], reason: str) -> None:
    assert reasons(nodes=4, cores=4, gpus=1).never(compile_request(jobspec([resources]))) == reason


GPU = slot(1, res("core", 1), res("gpu", 1))


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ([res("rack", 1, res("node", 3, GPU))], "needs 3 nodes in a rack; the largest has 2"),
        ([slot(1, res("node", 3))], "needs 3 nodes in a rack; the largest has 2"),
        ([res("rack", 3, res("node", 1, GPU))], "needs 3 racks, the instance has 2"),
        ([slot(3, res("rack", 1))], "needs 3 racks, the instance has 2"),
        ([slot(9, res("core", 1), res("gpu", 1))], "needs 9 gpus, the instance has 8"),
        ([slot(3, res("core", 3), res("gpu", 2)), res("pfs", 1)], None),
        ([slot(5, res("core", 3))], "needs 5 slots of 3 cores; 4 fit"),
        ([slot(1, res("core", 3), res("gpu", 3))], "no node has 3 gpu; the most is 2"),
        (
            [res("rack", 1, slot(1, res("node", 1)), res("ssd", 201, exclusive=True))],
            "no rack has 201 GB of ssd; the most is 200",
        ),
        ([GPU, res("pfs", 1001, exclusive=True)], "needs 1001 GB of pfs, the instance has 1000"),
        ([GPU, res("fpga", 1)], "needs 1 fpga, the instance has none"),
        (
            [res("cluster", 1, res("node", 1, GPU))],
            "a cluster has its nodes in a rack: name the rack between them",
        ),
        (
            [res("rack", 2, res("node", 1), exclusive=True), res("node", 1)],
            "needs 2 racks with 1 node and 1 node, which don't exist together",
        ),
    ],
)
def test_never_in_racks_with_storage(resources: list[dict[str, Any]], reason: str | None) -> None:
    found = reasons(racks=2, nodes=2, cores=4, gpus=2, ssds=2, pfs=1)
    assert found.never(compile_request(jobspec(resources))) == reason


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (res("node", 2, GPU), "needs 2 nodes that meet the constraints, the instance has 1"),
        (slot(1, res("core", 5)), "needs 5 cores in a node that meets the constraints; the largest has 4"),
        (
            res("node", 1, slot(1, res("gpu", 3))),
            "no node that meets the constraints has 3 gpu; the most is 2",
        ),
        (slot(2, res("core", 3)), "needs 6 cores that meet the constraints, the instance has 4"),
        (slot(2, res("core", 1), res("gpu", 1)), None),
    ],
)
def test_never_where_the_constraints_are_met(resources: dict[str, Any], reason: str | None) -> None:
    found = reasons(racks=2, nodes=2, cores=4, gpus=2)
    request = compile_request(jobspec([resources], constraints={"hostlist": ["node1"], "ranks": ["1"]}))
    assert found.never(request) == reason


def test_never_together_in_one_node() -> None:
    graph = cluster(nodes=1, cores=8)
    root = graph.roots["containment"].index
    node = graph.vertex("node", root, id=1, rank=1)
    for k in range(2):
        graph.vertex("core", node, id=k, rank=1)
        graph.vertex("gpu", node, id=k, rank=1)
    found = Reasons(Engine(graph, Chooser(stock.match_policy("low").factory({}))))
    four = slot(1, res("core", 4), res("gpu", 1))
    for resources in (four, res("node", 1, four)):
        reason = found.never(compile_request(jobspec([resources])))
        assert reason == "no node has 4 cores and 1 gpu together"


def test_what_is_down_is_told_apart_from_what_is_in_use() -> None:
    found = reasons(nodes=2, cores=4)
    engine = found.engine
    two = compile_request(jobspec([res("node", 2, slot(1, res("core", 1)))]))
    engine.mark(engine.graph.nodes()[:1], False)
    assert found.never(two) is None
    assert found.not_now(two) == "needs 2 nodes; 1 of 2 is up"
    assert (
        found.not_now(compile_request(jobspec([slot(5, res("core", 1))]))) == "needs 5 cores; 4 of 8 are up"
    )
    engine.mark(engine.graph.nodes(), True)
    one = engine.match(compile_request(jobspec([res("node", 1, slot(1, res("core", 1)), exclusive=True)])))
    assert one is not None
    engine.allocate(1, one)
    assert found.not_now(two) == "needs 2 nodes, 1 free"


def test_no_gpus_at_all() -> None:
    request = compile_request(jobspec([slot(1, res("core", 1), res("gpu", 2))]))
    assert reasons(nodes=2, cores=4).never(request) == "no node has 2 gpu"


def test_sockets_are_named() -> None:
    request = compile_request(jobspec([slot(1, res("core", 6))]))
    assert (
        reasons(nodes=1, sockets=2, cores=4).never(request) == "needs 6 cores in a socket; the largest has 4"
    )


def test_constraints_count() -> None:
    found = reasons(nodes=4, cores=4)
    request = compile_request(
        jobspec([res("node", 2, slot(1, res("core", 1)))], constraints={"hostlist": ["node3"]})
    )
    assert found.never(request) == "needs 2 nodes that meet the constraints, the instance has 1"
    request = compile_request(
        jobspec([res("node", 1, slot(1, res("core", 1)))], constraints={"properties": ["x"]})
    )
    assert found.never(request) == "no node meets the constraints"


def test_down_or_busy_is_not_never() -> None:
    found = reasons(nodes=1, cores=4)
    request = compile_request(jobspec([res("node", 1, slot(1, res("core", 3)))]))
    engine = found.engine
    engine.mark(engine.graph.nodes(), False)
    assert engine.match(request) is None
    assert found.never(request) is None
    assert found.not_now(request) == "needs 1 node; 0 of 1 are up"
    engine.mark(engine.graph.nodes(), True)
    parts = engine.match(request)
    assert parts is not None
    engine.allocate(1, parts)
    assert found.not_now(compile_request(jobspec([slot(2, res("core", 1))]))) == "needs 2 cores, 1 free"
