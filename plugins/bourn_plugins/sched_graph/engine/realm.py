"""The resources of an instance as cells, and what is free in them.

An *atom* is a topmost node (or, where there are none, what stands below the root); what lies above atoms is
the upper realm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.model.bits import bits_of
from bourn_plugins.sched_graph.engine.index import Order
from bourn_plugins.sched_graph.engine.pick import Pick
from bourn_plugins.sched_graph.engine.states import Interner, down_mask
from bourn_plugins.sched_graph.engine.upper import Upper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn_plugins.sched_graph.engine.policy import Chooser
    from bourn_plugins.sched_graph.engine.states import Cell, State
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex

Parts = list[tuple[int, Pick]]
"""What a job gets: (atom, pick); an atom comes once."""


class Realm:
    """Cells, their states and status; what is taken and given back."""

    def __init__(
        self,
        graph: ResourceGraph,
        chooser: Chooser,
        *,
        all_up: bool = False,
        interner: Interner | None = None,
        kept: Mapping[int, Cell] | None = None,
    ) -> None:
        self.graph = graph
        self.chooser = chooser
        self.all_up = all_up
        """Whether to take everything as up: to say what could ever fit."""
        self.version = 0
        """Changes with every change of what is free, in what-ifs too; after those it is what it was."""
        self._stamp = 0
        self.marks = 0
        """How often something came up or went down."""
        self.log: list[int] = []
        """The atoms that have changed, in order: indices catch up with it."""
        self.busy = 0
        """The atoms that are in use, as a mask of `order`."""
        self.interner = interner or Interner(chooser.sibling, all_up)
        self._kept = kept or {}
        """Cells to be taken as they are, by the index of their vertex."""
        self.cells: list[Cell] = []
        self.uppers: dict[str, list[Upper]] = {}
        self.root = self._upper(graph.roots["containment"], any(v.type == "node" for v in graph))
        self._kept = {}
        self.number()
        vertices = [cell.vertex for cell in self.cells]
        self.order = Order([chooser.atom(vertex) for vertex in vertices])
        self.found = Order([0] * len(vertices))
        self.centric = Order([chooser.centric(vertex) for vertex in vertices])
        self.types = frozenset(vertex.type for vertex in vertices)
        self.by_rank = {cell.vertex.rank: cell.atom for cell in self.cells if cell.vertex.rank >= 0}
        self._atom_of = {cell.vertex.index: cell.atom for cell in self.cells}
        self._free: dict[str, int] = {}
        self._units: dict[str, tuple[int, int]] = {}
        self.ups = [self.is_up(vertex) for vertex in vertices]
        """Whether each atom, and all that it lies in, is up."""

    def _upper(self, vertex: Vertex, has_nodes: bool) -> Upper:
        first = len(self.cells)
        inner: list[Upper] = []
        direct: set[str] = set()
        children: list[int] = []
        for kid in vertex.kids:
            if kid.type == "node" or not kid.kids or not has_nodes:
                cell = self._kept.get(kid.index) or self.interner.cell(kid)
                children.append(len(self.cells))
                self.cells.append(cell)
                direct.add(kid.type)
            else:
                inner.append(self._upper(kid, has_nodes))
        upper = Upper(vertex, list(range(first, len(self.cells))), frozenset(direct), children, inner)
        self.uppers.setdefault(vertex.type, []).append(upper)
        return upper

    def number(self) -> None:
        """Tell cells which atom they are."""
        for atom, cell in enumerate(self.cells):
            if cell.atom != atom:
                self._number(cell, atom)

    def _number(self, cell: Cell, atom: int) -> None:
        cell.atom = atom
        for kid in cell.kids:
            self._number(kid, atom)

    def atom_of(self, vertex: Vertex) -> int | None:
        """Return the atom that a vertex is, or None."""
        return self._atom_of.get(vertex.index)

    # -- what is free --

    def free_units(self, type: str) -> int:
        """Return how many units of a type are free on atoms that are up; not to be asked in a what-if."""
        count = self._free.get(type)
        if count is None:
            count = self._free[type] = self.count_units(type)
        return count

    def count_units(self, type: str) -> int:
        """Return the same by looking at all atoms as they stand."""
        return sum(cell.state.free_units(type) for cell in self.cells if self.ups[cell.atom])

    def units(self, type: str) -> tuple[int, int]:
        """Return how many units of a type there are, in use or not: on atoms that are up, and in all."""
        found = self._units.get(type)
        if found is None:
            each = [cell.shape.totals.get(type, 0) for cell in self.cells]
            up = sum(count for count, is_up in zip(each, self.ups, strict=True) if is_up)
            found = self._units[type] = (up, sum(each))
        return found

    def _recount(self, cell: Cell, before: State) -> None:
        if self.ups[cell.atom]:
            totals, state, free = cell.shape.totals, cell.state, self._free
            for type in free:
                if type in totals:
                    free[type] += state.free_units(type) - before.free_units(type)

    def apply(self, cell: Cell, pick: Pick) -> None:
        """Take a pick of an atom."""
        self._change(cell, pick, True)
        self.log.append(cell.atom)
        self.busy |= self.order.bit[cell.atom]

    def apply_all(self, cell: Cell, picks: Sequence[Pick]) -> None:
        """Take several picks of an atom, which may overlap."""
        self._overlay(cell, picks)
        self.log.append(cell.atom)
        self.busy |= self.order.bit[cell.atom]

    def _overlay(self, cell: Cell, picks: Sequence[Pick]) -> None:
        free = cell.free
        below: dict[int, list[Pick]] = {}
        cell.users += len(picks)
        for pick in picks:
            if pick.exclusive or pick.whole:
                cell.taken = True
            for i, mask in enumerate(pick.leaves):
                free[i] &= ~mask
            for place, kid in pick.kids:
                below.setdefault(place, []).append(kid)
        for place, kids in below.items():
            self._overlay(cell.kids[place], kids)
        cell.state = self.interner.state(cell)

    def revert(self, cell: Cell, pick: Pick) -> None:
        """Give a pick of an atom back."""
        self._change(cell, pick, False)
        self.log.append(cell.atom)
        if cell.users == 0:
            self.busy &= ~self.order.bit[cell.atom]

    def _change(self, cell: Cell, pick: Pick, take: bool) -> None:
        if pick.exclusive or pick.whole:
            cell.taken = take
        free = cell.free
        if take:
            cell.users += 1
            for i, mask in enumerate(pick.leaves):
                if mask:
                    free[i] &= ~mask
        else:
            cell.users -= 1
            for i, mask in enumerate(pick.leaves):
                if mask:
                    free[i] |= mask
        for place, kid in pick.kids:
            self._change(cell.kids[place], kid, take)
        cell.state = self.interner.state(cell)

    def changed(self) -> None:
        """Note that what is free has changed."""
        self._stamp += 1
        self.version = self._stamp

    # -- status --

    def is_up(self, vertex: Vertex) -> bool:
        """Whether a vertex and all that it lies in are up."""
        if self.all_up:
            return True
        above: Vertex | None = vertex
        while above is not None:
            if not above.up:
                return False
            above = above.parent
        return True

    def mark(self, vertices: Sequence[Vertex], up: bool) -> None:
        """Set vertices, and with them all below, up or down; jobs on them go on."""
        self.marks += 1
        for vertex in vertices:
            vertex.up = up
            for atom in self._refreshed(vertex):
                self.ups[atom] = self.is_up(self.cells[atom].vertex)
                self.log.append(atom)
        self._free.clear()
        self._units.clear()
        self.changed()

    def _refreshed(self, vertex: Vertex) -> list[int]:
        """Take a change of status in; return the atoms that it concerns."""
        atoms = self.atoms_of(vertex)
        if len(atoms) == 1:
            self._status(self.cells[atoms[0]])
        return atoms

    def atoms_of(self, vertex: Vertex) -> list[int]:
        """Return the atom that a vertex is or lies in, or those that lie in it."""
        above: Vertex | None = vertex
        while above is not None and above.index not in self._atom_of:
            above = above.parent
        if above is not None:
            return [self._atom_of[above.index]]
        below = [each.index for each in self.graph.subtree(vertex)]
        return [self._atom_of[index] for index in below if index in self._atom_of]

    def _status(self, cell: Cell) -> None:
        for kid in cell.kids:
            kid.closed = not kid.vertex.up
            self._status(kid)
        for i, group in enumerate(cell.leaves):
            cell.down[i] = down_mask(group)
        cell.state = self.interner.state(cell)

    # -- what a job has --

    def vertices(self, parts: Parts) -> list[Vertex]:
        """Return the vertices that a job has to itself."""
        found: list[Vertex] = []
        for atom, pick in parts:
            self._own(self.cells[atom], pick, found)
        return found

    def _own(self, cell: Cell, pick: Pick, found: list[Vertex]) -> None:
        if pick.whole:
            found.extend(self.graph.subtree(cell.vertex))
            return
        if pick.exclusive:
            found.append(cell.vertex)
        for group, mask in zip(cell.leaves, pick.leaves, strict=True):
            found.extend(group[i] for i in bits_of(mask))
        for place, kid in pick.kids:
            self._own(cell.kids[place], kid, found)
