"""One matching of a request against the graph: now, at the earliest time, or ever; and its release."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import Factory, define

from bourn_plugins.sched_graph.resources.constraint import compile_constraint
from bourn_plugins.sched_graph.walk.commit import Cancel, Commit, PartialCancel
from bourn_plugins.sched_graph.walk.ledger import Ledger
from bourn_plugins.sched_graph.walk.pruning import DEFAULT_FILTERS, PruneFilters
from bourn_plugins.sched_graph.walk.spans import FOREVER
from bourn_plugins.sched_graph.walk.walk import Walker
from bourn_plugins.sched_graph.walk.window import Mode, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.hookspecs.match_policy import Scorer
    from bourn.hookspecs.resource_io import SelectedVertex
    from bourn_plugins.sched_graph.request import Request
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex

GRAPH_DURATION = 3153600000
"""Seconds that a graph lasts unless said otherwise: a hundred years."""


class Op(Enum):
    """What to do for a request."""

    ALLOCATE = "allocate"
    ALLOCATE_SATISFIABILITY = "allocate_with_satisfiability"
    ALLOCATE_OR_RESERVE = "allocate_orelse_reserve"
    SATISFIABILITY = "satisfiability"
    DRY = "without_allocating"
    DRY_FUTURE = "without_allocating_future"


class Outcome(Enum):
    """What came of it."""

    MATCHED = "matched"
    BUSY = "busy"
    UNSATISFIABLE = "unsatisfiable"
    INVALID = "invalid"


@define(eq=False)
class Result:
    """The answer to a request."""

    outcome: Outcome
    at: int = 0
    end: int = 0
    selected: list[SelectedVertex] = Factory(list)
    error: str = ""


class Traverser:
    """A graph, what is planned on it, and a policy."""

    def __init__(
        self,
        graph: ResourceGraph,
        scorer: Scorer,
        *,
        node_exclusive: bool = False,
        subsystem: str = "containment",
        auxiliaries: Sequence[str] = (),
        filters: str = DEFAULT_FILTERS,
        flexible: bool = False,
        duration: int = GRAPH_DURATION,
    ) -> None:
        from bourn_plugins.sched_graph.walk.flexible import FlexibleWalker

        self.graph = graph
        self.ledger = Ledger(graph, subsystem, PruneFilters(filters))
        self.walker: Walker = (FlexibleWalker if flexible else Walker)(self.ledger, scorer, auxiliaries)
        if hasattr(scorer, "ledger"):
            scorer.ledger = self.ledger
        self.exclusive_types = frozenset({"node"} if node_exclusive else ())
        self.walker.whole_types = self.exclusive_types
        self.duration = duration
        self.preorder = 0
        self.postorder = 0
        """Vertices visited by the last matches that count; a failed attempt leaves what was there."""

    def match(self, request: Request, op: Op, job: int, now: int = 0) -> Result:
        """Match a request and, unless `op` says otherwise, take what it gets for `job`."""
        walker = self.walker
        walker.errors.clear()
        if request.duration > self.duration:
            text = f"a duration of {request.duration} s is longer than the graph lasts, {self.duration} s"
            return Result(Outcome.BUSY, error=text)
        duration = request.duration or self.duration
        allows = None if request.constraint is None else compile_constraint(request.constraint)
        window = Window(now, now + duration, Mode.NOW, allows)
        if op is Op.SATISFIABILITY:
            ok = self._ever(request, duration, allows)
            self.preorder, self.postorder = walker.preorder, walker.postorder
            return self._checked(Result(Outcome.MATCHED if ok else Outcome.UNSATISFIABLE))
        result = self._schedule(request, op, window, duration)
        if result.outcome is Outcome.MATCHED:
            end = min(result.at + duration, max(now + self.duration, result.at + 1))
            dry = op in (Op.DRY, Op.DRY_FUTURE)
            commit = Commit(
                walker,
                job,
                result.at,
                end,
                reserve=result.at != now,
                record=not dry,
                whole_types=self.exclusive_types,
                exclusive_types=request.exclusive_types,
                now=now,
            )
            if commit.run():
                result.selected, result.end = commit.selected, end
            else:
                result = Result(Outcome.BUSY)
        return self._checked(result)

    def _checked(self, result: Result) -> Result:
        if self.walker.errors:
            return Result(Outcome.INVALID, error="; ".join(dict.fromkeys(self.walker.errors)))
        return result

    def _schedule(self, request: Request, op: Op, window: Window, duration: int) -> Result:
        walker = self.walker
        if self._infeasible(request, op, window):
            if op is Op.ALLOCATE:
                return Result(Outcome.BUSY)
            ok = self._ever(request, duration, window.allows)
            return Result(Outcome.BUSY if ok else Outcome.UNSATISFIABLE)
        if walker.select(request.needs, window):
            self.preorder, self.postorder = walker.preorder, walker.postorder
            return Result(Outcome.MATCHED, window.start)
        if walker.errors:
            return Result(Outcome.INVALID)
        if op is Op.ALLOCATE_SATISFIABILITY:
            ok = self._ever(request, duration, window.allows)
            self._count()
            return Result(Outcome.BUSY if ok else Outcome.UNSATISFIABLE)
        if op in (Op.ALLOCATE_OR_RESERVE, Op.DRY_FUTURE):
            root = self.graph.roots[walker.subsystem]
            totals = self.ledger.totals.get(root.index)
            for time in list(totals.times(window.start + 1, request.totals, duration)) if totals else ():
                later = Window(time, time + duration, Mode.LATER, window.allows)
                ok = walker.select(request.needs, later)
                self._count()
                if ok:
                    return Result(Outcome.MATCHED, time)
            ok = self._ever(request, duration, window.allows)
            return Result(Outcome.BUSY if ok else Outcome.UNSATISFIABLE)
        return Result(Outcome.BUSY)

    def _count(self) -> None:
        self.preorder += self.walker.preorder
        self.postorder += self.walker.postorder

    def _ever(self, request: Request, duration: int, allows: Callable[[Vertex], bool] | None) -> bool:
        """Whether the request fits when nothing is planned and everything is up."""
        far = FOREVER - duration - 1
        return self.walker.select(request.needs, Window(far, far + duration, Mode.EVER, allows))

    def _infeasible(self, request: Request, op: Op, window: Window) -> bool:
        """Whether a glance shows that there can't be as many nodes as a request needs, now or, for what may
        wait, after all that is planned.
        """
        wanted = request.totals.get("node", 0) if "node" in self.ledger.filters.tracked else 0
        if op in (Op.DRY, Op.DRY_FUTURE) or (window.allows is None and wanted <= self.ledger.nodes_up):
            return False
        if wanted > self.ledger.nodes_up:
            return True
        start, end = window.start, window.end
        if op is not Op.ALLOCATE:
            start, end = self.duration - 1, self.duration - 1 + window.end - window.start
        fitting = 0
        for node in self.graph.nodes():
            if fitting >= wanted:
                break
            allowed = window.allows is None or window.allows(node)
            if allowed and node.up and self.ledger.free(node, start, end) > 0:
                fitting += 1
        return fitting < wanted

    def cancel(self, job: int) -> None:
        """Release all that a job has."""
        cancel = Cancel(self.walker, job)
        cancel.run()
        self.preorder, self.postorder = cancel.preorder, cancel.postorder

    def partial_cancel(self, job: int, vertices: list[Vertex]) -> bool:
        """Release what a job has of these vertices; True if nothing is left to it."""
        cancel = PartialCancel(self.walker, job)
        for vertex in vertices:
            cancel.release(vertex)
        done = cancel.finish()
        self.preorder, self.postorder = cancel.preorder, cancel.postorder
        return done

    def mark(self, vertices: list[Vertex], up: bool) -> None:
        """Set vertices, and with them all below, up or down."""
        for vertex in vertices:
            if vertex.up != up:
                vertex.up = up
                if vertex.type == "node":
                    self.ledger.nodes_up += 1 if up else -1

    def graph_changed(self) -> None:
        """Count anew after vertices were attached or removed."""
        self.ledger.recount()
        self.walker.graph_changed()
        self.ledger.nodes_up = sum(vertex.up for vertex in self.graph.nodes())
