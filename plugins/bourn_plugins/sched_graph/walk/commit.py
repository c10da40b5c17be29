"""Turns what a walk selected into an allocation or a reservation, and takes those back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define

from bourn.hookspecs.resource_io import SelectedVertex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn_plugins.sched_graph.resources.graph import Vertex
    from bourn_plugins.sched_graph.walk.walk import Walker


@define(eq=False)
class Commit:
    """One pass over the marked vertices: children before parents, in the order of the graph."""

    walker: Walker
    job: int
    start: int
    end: int
    reserve: bool = False
    record: bool = True
    """False: only say what would be taken."""
    planned: bool = False
    """True: the units are in the plans already."""
    whole_types: frozenset[str] = frozenset()
    """Types of which a job gets all of a vertex in which it has something."""
    exclusive_types: frozenset[str] = frozenset()
    """Types of which it gets all of a vertex that it has to itself."""
    now: int = 0
    selected: list[SelectedVertex] = Factory(list)

    def run(self) -> bool:
        """Take everything that is marked; False if nothing was."""
        root = self.walker.graph.roots[self.walker.subsystem]
        units, exclusive = self.walker.marks.root
        taken, _ = self._take(root, units, exclusive, False, 0, {}, exclusive_above=False)
        if taken and self.record:
            ledger = self.walker.ledger
            ledger.draw(self.job, self.walker.marks.draws, self.start, self.end, reserve=self.reserve)
        return taken > 0

    def _take(
        self,
        vertex: Vertex,
        units: int,
        exclusive: bool,
        whole: bool,
        depth: int,
        to_parent: dict[str, int],
        exclusive_above: bool,
    ) -> tuple[int, int]:
        """Return how many vertices were taken exclusively at and below `vertex`, and its place in
        `selected`.
        """
        walker, ledger = self.walker, self.walker.ledger
        whole = whole or vertex.type in self.whole_types
        whole = whole or (exclusive and vertex.type in self.exclusive_types)
        exclusive = exclusive or whole
        taken = 0
        below: dict[str, int] = {}
        places: list[int] = []
        marks, index = walker.marks.edges, vertex.index
        for kid in walker.graph.out(vertex, walker.subsystem):
            mark = marks.get((index, kid.index))
            if mark is None and not whole:
                continue
            kid_units, kid_exclusive = mark or (kid.size, False)
            if whole:
                kid_units, kid_exclusive = kid.size, True
            number, place = self._take(kid, kid_units, kid_exclusive, whole, depth + 1, below, exclusive)
            if number:
                taken += number
                places.append(place)
                if walker.scorer.stop_early and self.record:
                    self._weigh(vertex, kid)
        if exclusive:
            taken += 1
            if self.record and not self.planned:
                if not ledger.plan(vertex, self.job, self.start, self.end, units):
                    walker.errors.append(f"{vertex.path}: {units} units are not free")
                    return 0, -1
                table = ledger.reservations if self.reserve else ledger.allocations
                table.setdefault(index, set()).add(self.job)
        if not taken:
            return 0, -1
        tracked = ledger.filters.tracked
        if self.record:
            ledger.use(vertex, self.job, self.start, self.end)
            if below:
                totals = ledger.total(vertex)
                if totals is not None:
                    totals.add(self.job, self.start, self.end, below)
        if vertex.type in tracked:
            used = vertex.size if exclusive else vertex.size - units
            to_parent[vertex.type] = to_parent.get(vertex.type, 0) + used
        for type, number in below.items():
            to_parent[type] = to_parent.get(type, 0) + number
        place = len(self.selected)
        self.selected.append(self._selected(vertex, units, exclusive, depth, exclusive_above))
        for kid_place in places:
            self.selected[kid_place].parent = place
        return taken, place

    def _selected(
        self, vertex: Vertex, units: int, exclusive: bool, depth: int, exclusive_above: bool
    ) -> SelectedVertex:
        label = self.walker.marks.labels.get(vertex.index)
        extra: Mapping[str, Mapping[str, str]] = {"ephemeral": {"label": label}} if label else {}
        return select(vertex, units, exclusive, depth, exclusive_above, extra)

    def _weigh(self, vertex: Vertex, kid: Vertex) -> None:
        """An edge goes by what is left below it, from its first use on; cancelling doesn't change it back."""
        totals = self.walker.ledger.totals.get(kid.index)
        if totals is None:
            return
        last = totals.spans[totals.types[-1]]
        left = last.free(self.now, self.now + 1)
        if left == 0 and not totals.jobs:
            return
        self.walker.weights.set(vertex, kid, left)


def select(
    vertex: Vertex,
    units: int,
    exclusive: bool,
    depth: int,
    exclusive_above: bool = False,
    extra: Mapping[str, Mapping[str, str]] | None = None,
) -> SelectedVertex:
    """Return a vertex as writers get it."""
    return SelectedVertex(
        vertex.type,
        vertex.basename,
        vertex.name,
        vertex.id,
        vertex.uniq_id,
        vertex.rank,
        units,
        vertex.unit,
        exclusive,
        vertex.all_paths(),
        depth,
        -1,
        dict(sorted(vertex.properties.items())) if vertex.properties else {},
        exclusive_above,
        extra or {},
    )


@define(eq=False)
class Cancel:
    """Takes a job off the graph; counts what it visits."""

    walker: Walker
    job: int
    preorder: int = 0
    postorder: int = 0

    def run(self) -> None:
        """Give everything back that the job has."""
        ledger = self.walker.ledger
        ledger.undraw(self.job)
        root = self.walker.graph.roots[self.walker.subsystem]
        if ledger.tagged(root, self.job):
            self._drop(root)
            return
        for vertex in self.walker.graph:
            ledger.unplan(vertex, self.job)

    def _drop(self, vertex: Vertex) -> None:
        ledger = self.walker.ledger
        self.preorder += 1
        if not ledger.untag(vertex, self.job):
            return
        ledger.unuse(vertex, self.job)
        totals = ledger.totals.get(vertex.index)
        if totals is not None:
            totals.remove(self.job)
            if not totals.jobs:
                del ledger.totals[vertex.index]
        ledger.unplan(vertex, self.job)
        for kid in self.walker.graph.out(vertex, self.walker.subsystem):
            self._drop(kid)
        self.postorder += 1


@define(eq=False)
class PartialCancel:
    """Gives back a part of an allocation: some vertices, or all of some broker ranks."""

    walker: Walker
    job: int
    ranks: set[int] = Factory(set)
    counts: dict[str, int] = Factory(dict)
    preorder: int = 0
    postorder: int = 0

    def release(self, vertex: Vertex) -> None:
        """Give back what the job has of one vertex, and all records of the job on it."""
        ledger = self.walker.ledger
        if not ledger.untag(vertex, self.job):
            return
        ledger.unuse(vertex, self.job)
        totals = ledger.totals.get(vertex.index)
        if totals is not None:
            totals.remove(self.job)
        units = ledger.unplan(vertex, self.job)
        if units:
            self.counts[vertex.type] = self.counts.get(vertex.type, 0) + units
        ledger.undraw(self.job, vertex)
        self.ranks.add(vertex.rank)

    def finish(self) -> bool:
        """Correct the ancestors of what was released; True if the job has nothing left."""
        ledger = self.walker.ledger
        root = self.walker.graph.roots[self.walker.subsystem]
        if ledger.tagged(root, self.job):
            self._adjust(root)
        if ledger.tagged(root, self.job):
            return False
        ledger.undraw(self.job)
        return True

    def _adjust(self, vertex: Vertex) -> None:
        ledger = self.walker.ledger
        self.preorder += 1
        totals = ledger.totals.get(vertex.index)
        if totals is not None:
            if self.job not in totals.jobs or not ledger.tagged(vertex, self.job):
                return
            if vertex.rank != -1 and vertex.rank not in self.ranks:
                return
            left = 0
            for type, spans in totals.spans.items():
                if self.job in spans.jobs:
                    left += spans.reduce(self.job, self.counts.get(type, 0))
            if not left:
                totals.remove(self.job)
                ledger.untag(vertex, self.job)
                ledger.unuse(vertex, self.job)
        for kid in self.walker.graph.out(vertex, self.walker.subsystem):
            self._adjust(kid)
        self.postorder += 1
