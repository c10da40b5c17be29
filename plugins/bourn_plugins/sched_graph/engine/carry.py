"""Another engine in the place of one whose graph has changed: jobs keep what they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.model.bits import bits_of
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.pick import Pick
from bourn_plugins.sched_graph.resources.merge import find_path

if TYPE_CHECKING:
    from collections.abc import Collection

    from bourn_plugins.sched_graph.engine.engine import Parts
    from bourn_plugins.sched_graph.engine.states import Cell
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph


class Succession:
    """From an engine to its successor.

    Where the successor has the same graph, cells of atoms that aren't `touched` go over as they are, so that
    a change costs what has changed, besides a look at each atom. Where it has another, everything is looked
    up by its path.
    """

    def __init__(self, old: Engine, graph: ResourceGraph, touched: Collection[int] = ()) -> None:
        self.old = old
        same = graph is old.graph
        kept = {cell.vertex.index: cell for cell in old.cells if cell.vertex.index not in touched}
        self.new = Engine.of(
            graph,
            old.chooser,
            old.fault,
            strict=old.strict,
            interner=old.interner,
            kept=kept if same else {},
        )
        self.lost: dict[int, list[str]] = {}
        """The jobs that had what is no more, with its paths."""
        places = {cell.vertex.index: atom for atom, cell in enumerate(self.new.cells)} if same else {}
        self._place: dict[int, int | None] = {}
        """Old atom -> new."""
        for atom in {atom for parts in old.jobs.values() for atom, _ in parts}:
            vertex = old.cells[atom].vertex
            if not same:
                found = find_path(graph, vertex.path)
                self._place[atom] = None if found is None else self.new.atom_of(found)
            else:
                self._place[atom] = places.get(vertex.index)
        for job, parts in old.jobs.items():
            self._carry(job, parts)

    def _carry(self, job: int, parts: Parts) -> None:
        new, old = self.new, self.old
        carried: Parts = []
        for atom, pick in parts:
            place = self._place[atom]
            if place is None:
                self._lose(job, old.cells[atom])
                continue
            before, after = old.cells[atom], new.cells[place]
            if before is not after:
                lost: list[str] = []
                pick = _moved(before, after, pick, lost)
                if lost:
                    self.lost.setdefault(job, []).extend(lost)
                new.apply(after, pick)
            else:
                new.busy |= new.order.bit[place]
            carried.append((place, pick))
        if carried:
            new.jobs[job] = carried

    def _lose(self, job: int, cell: Cell) -> None:
        self.lost.setdefault(job, []).append(cell.vertex.path)


def _moved(before: Cell, after: Cell, pick: Pick, lost: list[str]) -> Pick:
    """Return what takes of a changed cell what `pick` took of it; what is gone is noted in `lost`."""
    at = {
        (vertex.type, vertex.name): (i, k)
        for i, group in enumerate(after.leaves)
        for k, vertex in enumerate(group)
    }
    inner = {(kid.vertex.type, kid.vertex.name): k for k, kid in enumerate(after.kids)}
    leaves = [0] * len(after.leaves)
    kids: dict[int, Pick] = {}
    everything = pick.whole
    for i, group in enumerate(before.leaves):
        for k in range(len(group)) if everything else bits_of(pick.leaves[i]):
            vertex = group[k]
            key = (vertex.type, vertex.name)
            if key in at:
                place, bit = at[key]
                leaves[place] |= 1 << bit
            elif key in inner:
                # It has got contents of its own since.
                kids[inner[key]] = Pick(True, True, (0,) * len(after.kids[inner[key]].leaves), ())
            else:
                lost.append(vertex.path)
    taken = dict(pick.kids)
    for k, kid in enumerate(before.kids):
        if not everything and k not in taken:
            continue
        place_of = inner.get((kid.vertex.type, kid.vertex.name))
        if place_of is None:
            lost.append(kid.vertex.path)
        elif everything:
            _moved(kid, after.kids[place_of], Pick(True, True, (0,) * len(kid.leaves), ()), lost)
        else:
            kids[place_of] = _moved(kid, after.kids[place_of], taken[k], lost)
    if everything:
        return Pick(True, True, (0,) * len(after.leaves), ())
    return Pick(pick.exclusive, False, tuple(leaves), tuple(sorted(kids.items(), key=lambda item: item[0])))
