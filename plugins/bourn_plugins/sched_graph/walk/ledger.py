"""Who uses which vertices when: the bookkeeping that walks read and that allocations change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from bourn_plugins.sched_graph.walk.pruning import count_below
from bourn_plugins.sched_graph.walk.spans import Spans, Totals

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex
    from bourn_plugins.sched_graph.walk.pruning import PruneFilters

MANY_USERS = 1 << 30


@frozen
class Draw:
    """Units of a pool that serve a vertex."""

    consumer: Vertex
    pool: Vertex
    units: int


class Ledger:
    """Plans of vertices, kept only where there is something planned.

    `plans`: units of a vertex that are taken. `users`: jobs that use a vertex or something below it.
    `totals`: what is planned below a vertex, by type. `tags`: jobs to be found on a vertex when they are
    cancelled.
    """

    def __init__(self, graph: ResourceGraph, subsystem: str, filters: PruneFilters) -> None:
        self.graph = graph
        self.subsystem = subsystem
        self.filters = filters
        self.plans: dict[int, Spans] = {}
        self.users: dict[int, Spans] = {}
        self.totals: dict[int, Totals] = {}
        self.tags: dict[int, set[int]] = {}
        self.allocations: dict[int, set[int]] = {}
        self.reservations: dict[int, set[int]] = {}
        self.draws: dict[int, list[Draw]] = {}
        """What jobs have of suppliers."""
        self.nodes_up = sum(vertex.up for vertex in graph.nodes())
        self.below: dict[int, dict[str, int]] = {}
        self.recount()

    def recount(self) -> None:
        """Count what each subtree has, after the graph has changed; what is planned stays."""
        self.below = count_below(self.graph, self.subsystem, self.filters)
        for index, totals in list(self.totals.items()):
            if index not in self.below:
                del self.totals[index]
                continue
            fresh = Totals(self.below[index])
            for job in totals.jobs:
                for type, spans in totals.spans.items():
                    if job in spans.jobs and type in fresh.spans:
                        fresh.spans[type].add(job, *spans.jobs[job])
                fresh.jobs.add(job)
            self.totals[index] = fresh

    def free(self, vertex: Vertex, start: int, end: int) -> int:
        """Return how many units of a vertex itself are free throughout a window."""
        plan = self.plans.get(vertex.index)
        return vertex.size if plan is None else plan.free(start, end)

    def unused(self, vertex: Vertex, start: int, end: int) -> bool:
        """Whether no job uses a vertex, or anything below it, in a window."""
        users = self.users.get(vertex.index)
        return users is None or users.free(start, end) >= MANY_USERS

    def subtree_fits(self, vertex: Vertex, start: int, end: int, counts: dict[str, int]) -> bool:
        """Whether a subtree has as much as `counts` of the types that it tracks, throughout a window."""
        below = self.below.get(vertex.index)
        if below is None:
            return True
        totals = self.totals.get(vertex.index)
        if totals is None:
            return all(counts.get(type, 0) <= units for type, units in below.items())
        return totals.fits(start, end, counts)

    def total(self, vertex: Vertex) -> Totals | None:
        """Return the totals of a subtree to plan in, or None where none are kept."""
        totals = self.totals.get(vertex.index)
        if totals is None:
            below = self.below.get(vertex.index)
            if not below:
                return None
            totals = self.totals[vertex.index] = Totals(below)
        return totals

    def plan(self, vertex: Vertex, job: int, start: int, end: int, units: int) -> bool:
        """Take units of a vertex; False if there are too few."""
        plan = self.plans.get(vertex.index)
        if plan is None:
            plan = self.plans[vertex.index] = Spans(vertex.size)
        return plan.add(job, start, end, units)

    def unplan(self, vertex: Vertex, job: int) -> int:
        """Give back what a job has of a vertex; return how many units that was."""
        for table in (self.allocations, self.reservations):
            jobs = table.get(vertex.index)
            if jobs and job in jobs:
                jobs.discard(job)
                if not jobs:
                    del table[vertex.index]
                plan = self.plans[vertex.index]
                units = plan.remove(job)
                if not plan.jobs:
                    del self.plans[vertex.index]
                return units
        return 0

    def draw(self, job: int, draws: list[Draw], start: int, end: int, *, reserve: bool) -> None:
        """Take what a job needs of suppliers."""
        units: dict[int, int] = {}
        pools: dict[int, Vertex] = {}
        for each in draws:
            pools[each.pool.index] = each.pool
            units[each.pool.index] = units.get(each.pool.index, 0) + each.units
        table = self.reservations if reserve else self.allocations
        for index, pool in pools.items():
            self.plan(pool, job, start, end, units[index])
            table.setdefault(index, set()).add(job)
        if draws:
            self.draws[job] = draws

    def undraw(self, job: int, consumer: Vertex | None = None) -> None:
        """Give back what a job has of suppliers, or what one vertex of it has."""
        kept: list[Draw] = []
        for each in self.draws.pop(job, ()):
            if consumer is not None and each.consumer is not consumer:
                kept.append(each)
                continue
            plan = self.plans.get(each.pool.index)
            if plan is None or job not in plan.jobs:
                continue
            if plan.jobs[job][2] > each.units:
                plan.reduce(job, each.units)
            else:
                self.unplan(each.pool, job)
        if kept:
            self.draws[job] = kept

    def use(self, vertex: Vertex, job: int, start: int, end: int) -> None:
        """Note that a job uses a vertex or something below it."""
        users = self.users.get(vertex.index)
        if users is None:
            users = self.users[vertex.index] = Spans(MANY_USERS)
        users.add(job, start, end, 1)
        self.tags.setdefault(vertex.index, set()).add(job)

    def unuse(self, vertex: Vertex, job: int) -> None:
        """Forget that a job uses a vertex; its tag stays."""
        users = self.users.get(vertex.index)
        if users is not None:
            users.remove(job)
            if not users.jobs:
                del self.users[vertex.index]

    def tagged(self, vertex: Vertex, job: int) -> bool:
        """Whether a job is to be found on a vertex."""
        return job in self.tags.get(vertex.index, ())

    def untag(self, vertex: Vertex, job: int) -> bool:
        """Take a job's tag off; return whether it was there."""
        jobs = self.tags.get(vertex.index)
        if not jobs or job not in jobs:
            return False
        jobs.discard(job)
        if not jobs:
            del self.tags[vertex.index]
        return True

    def forget(self, vertex: Vertex) -> None:
        """Drop all records of a vertex that leaves the graph."""
        for table in (self.plans, self.users, self.totals, self.tags, self.allocations, self.reservations):
            table.pop(vertex.index, None)
