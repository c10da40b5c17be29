"""Why a request can never be met, and why it waits."""

from __future__ import annotations

from typing import Any

import pytest

from bourn_plugins.sched_graph import stock
from bourn_plugins.sched_graph.engine import Engine
from bourn_plugins.sched_graph.policy import Chooser
from bourn_plugins.sched_graph.reasons import Reasons
from bourn_plugins.sched_graph.request import compile_request
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
    assert found.never(request) == "needs 2 nodes with 1 slot of 1 core; 1 fit that meet the constraints"
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
