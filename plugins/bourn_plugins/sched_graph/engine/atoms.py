"""Whole atoms for a need: an index of those that fit, by the rank that the policy gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.model.bits import bits_of, lowest
from bourn_plugins.sched_graph.engine.fit import Fitter
from bourn_plugins.sched_graph.engine.index import Index, Order
from bourn_plugins.sched_graph.engine.policy import PolicyFault
from bourn_plugins.sched_graph.engine.realm import Realm
from bourn_plugins.sched_graph.resources.constraint import compile_constraint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn_plugins.sched_graph.engine.pick import Pick
    from bourn_plugins.sched_graph.engine.policy import Chooser
    from bourn_plugins.sched_graph.engine.states import Cell
    from bourn_plugins.sched_graph.request import Need, Request
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph

_LOG_LIMIT = 1 << 16
_MOST_INDICES = 256


class AtomMatcher(Realm):
    """Selects atoms; what is selected isn't taken yet."""

    def __init__(self, graph: ResourceGraph, chooser: Chooser, **options: Any) -> None:
        super().__init__(graph, chooser, **options)
        whole = frozenset({"node"} if chooser.node_exclusive else ())
        self.fitter = Fitter(chooser.high, whole, chooser.preference)
        self.fault: Callable[[str], None] = lambda text: None
        """Called when the match policy fails, with what went wrong."""
        self.strict = False
        """Whether a match whose policy fails raises PolicyFault, and the next one asks the policy again."""
        self._indices: dict[Any, Index] = {}
        self._constraints: dict[str, list[int]] = {}
        self._groups: list[int] | None = None
        self.pools = frozenset(cell.vertex.type for cell in self.cells if cell.vertex.size != 1)
        """The types of atoms that are counted by what they hold, as storage is."""

    def changed(self) -> None:
        """Note that what is free has changed."""
        super().changed()
        if len(self.log) > _LOG_LIMIT:
            for index in self._indices.values():
                index.refresh()
                index.rewind(0)
            self.log.clear()

    def distrust(self, error: Exception) -> None:
        """Tell that the policy has failed, and ask it no more; raise PolicyFault where that is wanted."""
        self._indices.clear()
        self.fault(str(error))
        if self.strict:
            raise PolicyFault(str(error)) from error
        self.chooser.disable()

    def choose(self, mask: int, count: int) -> int:
        """Return the best `count` of the atoms of a mask that has as many."""
        if self.chooser.chooses and mask.bit_count() > count:
            try:
                return self.chooser.pick(mask, count, self.groups())
            except PolicyFault as error:
                self.distrust(error)
        return lowest(mask, count)

    def groups(self) -> list[int]:
        """Return the masks of what stands together: below one switch of the subsystem that the policy names,
        or of any; where there is none, below one of the lowest vertices above atoms.
        """
        if self._groups is None:
            self._groups = self._switched() or [
                upper.mask(self.order) for uppers in self.uppers.values() for upper in uppers if upper.direct
            ]
        return self._groups

    def _switched(self) -> list[int]:
        """Return what hangs together on each vertex of a network, in the order of those."""
        found: list[int] = []
        wanted = self.chooser.subsystem
        for subsystem, table in sorted(self.graph.links.items()):
            if wanted and subsystem != wanted:
                continue
            for source, targets in sorted(table.items()):
                vertex = self.graph.vertices[source]
                if vertex is None or not (wanted or vertex.type.endswith("switch")):
                    continue
                atoms = {atom for target in targets for atom in self.atoms_of(target)}
                if atoms:
                    found.append(self.order.mask(sorted(atoms)))
        return found

    # -- what may be selected --

    def _allowed(self, request: Request, forbidden: int | None) -> int | None:
        """Return the atoms that a request may have at all, as a mask of `order`; None for all."""
        allowed = None
        if request.constraint:
            allowed = self.order.mask(self.constrained(request.constraint))
        if forbidden:
            allowed = ((1 << len(self.cells)) - 1 if allowed is None else allowed) & ~forbidden
        return allowed

    def constrained(self, constraint: dict[str, Any]) -> list[int]:
        """Return the atoms that meet a constraint; atoms that aren't nodes always do."""
        key = repr(constraint)
        atoms = self._constraints.get(key)
        if atoms is None:
            allows = compile_constraint(constraint)
            atoms = [c.atom for c in self.cells if c.vertex.type != "node" or allows(c.vertex)]
            if len(self._constraints) > _MOST_INDICES:
                self._constraints.clear()
            self._constraints[key] = atoms
        return atoms

    def _convert(self, allowed: int | None, order: Order) -> int | None:
        """Return a mask of `self.order` in another order."""
        if allowed is None or order is self.order:
            return allowed
        atoms = self.order.atoms
        return order.mask([atoms[place] for place in bits_of(allowed)])

    def _without(self, parts: Iterable[int], allowed: int | None) -> int:
        full = (1 << len(self.cells)) - 1 if allowed is None else allowed
        return full & ~self.order.mask(list(parts))

    def _index(self, key: Any, order: Order, rank: Any) -> Index:
        index = self._indices.get(key)
        if index is None:
            if len(self._indices) >= _MOST_INDICES:
                self._indices.pop(next(iter(self._indices)))
            index = self._indices[key] = Index(order, self.cells, rank, self.log)
        else:
            index.refresh()
        return index

    # -- selection --

    def _select_atoms(self, need: Need, allowed: int | None, parts: dict[int, Pick], exclusive: bool) -> bool:
        fit, type, rank, ups = self.fitter.fit, need.type, self.chooser.rank, self.ups

        def value(cell: Cell) -> Any:
            if cell.vertex.type != type or not ups[cell.atom] or fit(cell.state, need, exclusive) is None:
                return None
            return rank(cell)

        index = self._index((need.kind, exclusive), self.order, value)
        if parts:
            allowed = self._without(parts, allowed)
        chosen = self._best(index, need, allowed)
        if chosen is None:
            return False
        atoms, cells = self.order.atoms, self.cells
        for place in bits_of(chosen):
            atom = atoms[place]
            pick = fit(cells[atom].state, need, exclusive)
            assert pick is not None
            if not pick.empty:
                parts[atom] = pick
        return True

    def _best(self, index: Index, need: Need, allowed: int | None) -> int | None:
        """Return the mask of the best atoms, as many as a need counts."""
        count = need.count
        if need.type in self.pools:
            return self._best_pools(index, need, allowed)
        wanted = count.least
        if count.least != count.most:
            wanted = count.choose(sum(mask.bit_count() for _, mask in index.candidates(allowed)))
            if wanted == 0:
                return None
        chosen = 0
        for _, mask in index.candidates(allowed):
            number = mask.bit_count()
            if number >= wanted:
                return chosen | self.choose(mask, wanted)
            chosen |= mask
            wanted -= number
        return None

    def _best_pools(self, index: Index, need: Need, allowed: int | None) -> int | None:
        """Return the mask of the best pools whose units together are as many as a need counts."""
        atoms, cells = index.order.atoms, self.cells
        places = [
            (place, cells[atoms[place]].vertex.size)
            for _, mask in index.candidates(allowed)
            for place in bits_of(mask)
        ]
        wanted = need.count.choose(sum(units for _, units in places))
        if wanted == 0:
            return None
        chosen = 0
        for place, units in places:
            if wanted <= 0:
                break
            chosen |= 1 << place
            wanted -= units
        return chosen

    def idle_fit(self, need: Need) -> int:
        """Return the atoms that are up and would fit a need by themselves if they were idle."""
        key = ("idle", need.kind)
        index = self._index(key, self.order, lambda cell: self._idle_rank(cell, need))
        return index.buckets.get(0, 0)

    def _idle_rank(self, cell: Cell, need: Need) -> int | None:
        if cell.vertex.type != need.type or not self.ups[cell.atom] or cell.closed:
            return None
        return None if self.fitter.fit(self.interner.idle(cell.shape), need, True) is None else 0
