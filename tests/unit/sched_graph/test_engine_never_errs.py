"""Every stock policy, on random graphs and jobs: the interned matcher finds something exactly where the walk
does, and takes only what is free there, even where its choice is another.

After each job both go on from the walk's choice, so that they always face the same graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.pick import Pick
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.walk.generic import scorer_of
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Traverser
from tests.unit.sched_graph.depth import depth, hold
from tests.unit.sched_graph.graphs import cluster, jobspec
from tests.unit.sched_graph.test_engine_equals_walk import shapes

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.engine.engine import Parts
    from bourn_plugins.sched_graph.engine.states import Cell

POLICIES = [name for name in stock.installed().named("bourn_match_policies") if name != "custom"]
# These stop looking as soon as each type has its share, so they may miss what is there.
HASTY = {"first", "firstnodex"}


def parts_of(engine: Engine, own: set[int]) -> Parts:
    """The parts that hold some vertices, by index."""
    found: Parts = []
    for cell in engine.cells:
        pick = pick_of(cell, own)
        if pick is not None:
            found.append((cell.atom, pick))
    return found


def pick_of(cell: Cell, own: set[int]) -> Pick | None:
    leaves = tuple(sum(1 << i for i, leaf in enumerate(group) if leaf.index in own) for group in cell.leaves)
    kids = tuple((i, pick) for i, kid in enumerate(cell.kids) if (pick := pick_of(kid, own)))
    exclusive = cell.vertex.index in own
    return Pick(exclusive, False, leaves, kids) if exclusive or kids or any(leaves) else None


@pytest.mark.parametrize("name", POLICIES)
@depth(30, 1000)
def test_finds_what_there_is_and_takes_what_is_free(name: str, examples: int) -> None:
    def check(
        case: tuple[dict[str, int], list[list[dict[str, Any]]]],
        frees: list[int],
        downs: list[int],
        classes: list[int],
    ) -> None:
        never_errs(name, case, frees, downs, classes)

    hold(
        check,
        examples,
        case=shapes(),
        frees=st.lists(st.integers(0, 11), max_size=12),
        downs=st.lists(st.integers(0, 7), max_size=2),
        classes=st.lists(st.integers(0, 2), max_size=8),
    )


def never_errs(
    name: str,
    case: tuple[dict[str, int], list[list[dict[str, Any]]]],
    frees: list[int],
    downs: list[int],
    classes: list[int],
) -> None:
    size, wanted = case
    graph = cluster(**size)
    nodes = graph.nodes()
    for node, perf in zip(nodes, classes, strict=False):
        node.properties = {"perf_class": str(perf)}
    spec = stock.match_policy(name)
    policy = spec.factory({})
    engine = Engine(graph, Chooser(policy, spec.node_exclusive))
    walk = Traverser(graph, scorer_of(policy), node_exclusive=spec.node_exclusive)
    down = [nodes[k] for k in sorted(set(downs)) if k < len(nodes)]
    walk.mark(down, False)
    engine.mark(down, False)
    up = {v.index for v in graph} - {v.index for node in down for v in graph.subtree(node)}
    upper = {"cluster", "rack"}
    for job, resources in enumerate(wanted, start=1):
        request = compile_request(jobspec(resources))
        parts = engine.match(request)
        got = [] if parts is None else engine.vertices(parts)
        for vertex in got:
            assert vertex.index in up, resources
            assert walk.ledger.free(vertex, 0, 1) == vertex.size, resources
            assert walk.ledger.unused(vertex, 0, 1), resources
        assert len({vertex.index for vertex in got}) == len(got), resources
        result = walk.match(request, Op.ALLOCATE, job)
        matched = result.outcome is Outcome.MATCHED
        assert matched <= (parts is not None), resources
        if name not in HASTY:
            assert matched == (parts is not None), resources
        if matched:
            own = {v.uniq_id for v in result.selected if v.exclusive and v.type not in upper}
            engine.allocate(job, parts_of(engine, own))
        gone = frees[job - 1] if job - 1 < len(frees) else 0
        if 0 < gone <= job and gone in engine.jobs:
            engine.free(gone)
            walk.cancel(gone)
