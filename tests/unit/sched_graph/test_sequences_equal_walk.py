"""Whatever happens to a graph, the interned matcher goes on to choose what the walk over vertices chooses:
jobs come, go and give back ranks, are installed from elsewhere; vertices go down and up, get properties, are
attached and removed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from bourn.hookspecs.resource_io import Selection
from bourn_plugins.graph_writers.jgf import jgf
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.query import changes
from bourn_plugins.sched_graph.query.install import install, rank_vertices
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.walk.generic import scorer_of
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Traverser
from tests.unit.sched_graph.depth import depth, hold
from tests.unit.sched_graph.graphs import cluster, jobspec
from tests.unit.sched_graph.test_engine_equals_walk import POLICIES, requests
from tests.unit.sched_graph.test_engine_never_errs import parts_of

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.engine.engine import Parts
    from bourn_plugins.sched_graph.request import Request

numbers = st.integers(0, 11)
constraints = st.sampled_from(
    [
        {"properties": ["a"]},
        {"properties": ["^a"]},
        {"or": [{"properties": ["a", "b"]}, {"ranks": ["0-1"]}]},
        {"not": [{"hostlist": ["node1"]}]},
    ]
)


@st.composite
def steps(draw: Any, size: dict[str, int]) -> tuple[Any, ...]:
    kind = draw(
        st.sampled_from(
            ["match"] * 6 + ["free", "ranks", "update", "status", "status", "property", "attach", "remove"]
        )
    )
    if kind in ("match", "update"):
        wanted = draw(requests(size))
        for each in wanted:
            if each["type"] == "rack":
                # What is down, or is attached later, is the job's for the walk and isn't for the engine.
                each.pop("exclusive", None)
        return kind, wanted, draw(st.one_of(st.none(), constraints))
    if kind == "ranks":
        return kind, draw(numbers), draw(st.sets(st.integers(0, 5), min_size=1))
    if kind == "status":
        return kind, draw(numbers), draw(st.booleans())
    return kind, draw(numbers), draw(st.sampled_from(["a", "b"]))


@st.composite
def histories(draw: Any) -> tuple[dict[str, int], list[tuple[Any, ...]]]:
    size = {
        "racks": draw(st.integers(0, 2)),
        "nodes": draw(st.integers(1, 3)),
        "sockets": draw(st.sampled_from([0, 0, 2])),
        "cores": draw(st.integers(1, 3)),
        "gpus": draw(st.integers(0, 1)),
        "memory": draw(st.integers(0, 1)),
        "ssds": draw(st.integers(0, 1)),
        "pfs": draw(st.integers(0, 1)),
    }
    return size, draw(st.lists(steps(size), min_size=2, max_size=16))


class Both:
    """A walk and an engine over one graph, that must stay in step."""

    def __init__(self, name: str, size: dict[str, int]) -> None:
        self.size = size
        self.graph = cluster(**size)
        self.spec = stock.match_policy(name)
        self.policy = self.spec.factory({})
        scorer = scorer_of(self.policy)
        self.walk = Traverser(self.graph, scorer, node_exclusive=self.spec.node_exclusive)
        self.engine = Engine(self.graph, Chooser(self.policy, self.spec.node_exclusive))
        self.job = 0

    def step(self, kind: str, *what: Any) -> None:
        getattr(self, kind)(*what)
        held = {job: self._held(parts) for job, parts in self.engine.jobs.items()}
        for job, own in held.items():
            for index in own:
                assert job in self.walk.ledger.allocations.get(index, ())

    def _held(self, parts: Parts) -> set[int]:
        return {vertex.index for vertex in self.engine.vertices(parts)}

    def _request(self, wanted: list[dict[str, Any]], constraint: dict[str, Any] | None) -> Request:
        return compile_request(jobspec(wanted, 0, **({"constraints": constraint} if constraint else {})))

    def match(self, wanted: list[dict[str, Any]], constraint: dict[str, Any] | None) -> None:
        self.job += 1
        request = self._request(wanted, constraint)
        result = self.walk.match(request, Op.ALLOCATE, self.job)
        self._take(request, result.outcome is Outcome.MATCHED, result.selected)

    def update(self, wanted: list[dict[str, Any]], constraint: dict[str, Any] | None) -> None:
        """What a match without allocating says is installed from its JGF."""
        self.job += 1
        request = self._request(wanted, constraint)
        result = self.walk.match(request, Op.DRY, self.job)
        if result.outcome is Outcome.MATCHED:
            document = json.dumps(jgf(Selection(result.selected))).encode()
            installed = install(self.walk, "jgf", document, self.job, 0, result.end)
            assert [each.uniq_id for each in installed] == [each.uniq_id for each in result.selected]
        self._take(request, result.outcome is Outcome.MATCHED, result.selected)

    def _take(self, request: Request, matched: bool, selected: list[Any]) -> None:
        parts = self.engine.match(request)
        assert (parts is not None) == matched
        if parts is not None:
            own = {v.uniq_id for v in selected if v.exclusive and v.type not in ("cluster", "rack")}
            assert self._held(parts) == own
            self.engine.allocate(self.job, parts)

    def _running(self, k: int) -> int | None:
        jobs = sorted(self.engine.jobs)
        return jobs[k % len(jobs)] if jobs else None

    def free(self, k: int, _: str) -> None:
        job = self._running(k)
        if job is not None:
            self.walk.cancel(job)
            assert self.engine.free(job)

    def ranks(self, k: int, ranks: set[int]) -> None:
        job = self._running(k)
        there = [rank for rank in ranks if self.graph.by_rank(rank)]
        if job is not None and there:
            vertices = [v for rank in there for v in rank_vertices(self.graph, rank)]
            done = self.walk.partial_cancel(job, vertices)
            assert self.engine.free(job, there) == done

    def status(self, k: int, up: bool) -> None:
        vertices = [v for v in self.graph if v.parent is not None]
        if vertices:
            one = [vertices[7 * k % len(vertices)]]
            self.walk.mark(one, up)
            self.engine.mark(one, up)

    def property(self, k: int, name: str) -> None:
        nodes = self.graph.nodes()
        if nodes:
            node = nodes[k % len(nodes)]
            node.properties = {**(node.properties or {}), name: ""}
            self._renew()

    def attach(self, k: int, _: str) -> None:
        racks = [v for v in self.graph if v.type == "rack"] or [self.graph.roots["containment"]]
        number = 100 + len(self.graph.vertices)
        graph = self.graph
        node = graph.vertex("node", racks[k % len(racks)].index, id=number, rank=number)
        holders = [graph.vertex("socket", node, id=s, rank=number) for s in range(self.size["sockets"])]
        for holder in holders or [node]:
            for c in range(self.size["cores"]):
                graph.vertex("core", holder, id=c, rank=number)
        self._renew()

    def remove(self, k: int, _: str) -> None:
        nodes = self.graph.nodes()
        if len(nodes) > 1:
            changes.remove(self.walk, [nodes[k % len(nodes)]], release=True)
            self._renew()

    def _renew(self) -> None:
        """The engine is made anew when the graph has changed; jobs keep what is still there."""
        before = {job: self._held(parts) for job, parts in self.engine.jobs.items()}
        self.engine = Engine(self.graph, Chooser(self.policy, self.spec.node_exclusive))
        self.walk.graph_changed()
        for job, own in before.items():
            parts = parts_of(self.engine, own)
            if parts:
                self.engine.allocate(job, parts)


@pytest.mark.parametrize("name", POLICIES)
@depth(40, 2000)
def test_same_choice_through_changes(name: str, examples: int) -> None:
    def check(history: tuple[dict[str, int], list[tuple[Any, ...]]]) -> None:
        size, history_steps = history
        both = Both(name, size)
        for step in history_steps:
            both.step(*step)

    hold(check, examples, history=histories())
