"""Slots for a need: parts of atoms, or several whole atoms each."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from bourn.model.bits import bits_of
from bourn_plugins.sched_graph.engine.atoms import AtomMatcher
from bourn_plugins.sched_graph.engine.pick import Pick

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn_plugins.sched_graph.engine.index import Index
    from bourn_plugins.sched_graph.engine.states import Cell
    from bourn_plugins.sched_graph.engine.upper import Upper
    from bourn_plugins.sched_graph.request import Need


class SlotMatcher(AtomMatcher):
    """Selects slots."""

    unlike = False
    """Whether what is matched has several kinds of slots, so that each must be told from the others."""

    def _select_slots(
        self, slot: Need, allowed: int | None, parts: dict[int, Pick], above: Upper | None = None
    ) -> bool:
        children = {child.type for child in slot.children}
        if above is None:
            places = [upper for uppers in self.uppers.values() for upper in uppers]
        else:
            # One level below what was asked for may be left out.
            places = [above] if children <= above.direct else above.uppers
        hosts = [
            upper for upper in places if children and children <= upper.direct and self.is_up(upper.vertex)
        ]
        if hosts:
            return self._slots_of_atoms(slot, hosts, allowed, parts)
        if above is not None:
            allowed = self._within(above, allowed)
        chooser, slots = self.chooser, self.fitter.slots
        sign = -1 if chooser.high else 1
        scored = chooser.by_score and not chooser.node_centric and not chooser.first
        order = self.found if scored else self.centric if chooser.node_centric else self.order

        whole, ups = self.fitter.whole_types, self.ups

        def value(cell: Cell) -> Any:
            if not ups[cell.atom] or (cell.vertex.type in whole and not cell.state.idle):
                return None
            found = slots(cell.state, slot)
            if not found:
                return None
            return sign * found[0].score if scored else chooser.rank(cell)

        index = self._index(slot.kind, order, value)
        if parts:
            allowed = self._without(parts, allowed)
        allowed = self._convert(allowed, order)
        count = slot.count
        if count.least == count.most == 1:
            return self._one_slot(index, slot, allowed, parts)
        wanted = count.least
        if count.least != count.most:
            cells = self.cells
            wanted = count.choose(
                sum(
                    len(slots(cells[order.atoms[place]].state, slot))
                    for _, mask in index.candidates(allowed)
                    for place in bits_of(mask)
                )
            )
            if wanted == 0:
                return False
        return self._many_slots(index, slot, allowed, wanted, sign if scored else 0, parts)

    def _one_slot(self, index: Index, slot: Need, allowed: int | None, parts: dict[int, Pick]) -> bool:
        for _, mask in index.candidates(allowed):
            atom = index.order.atoms[(mask & -mask).bit_length() - 1]
            parts[atom] = self._slots_pick(atom, slot, 1)
            return True
        return False

    def _slots_pick(self, atom: int, slot: Need, number: int) -> Pick:
        """Return what an atom's first slots take; all of it where nodes are exclusive."""
        cell = self.cells[atom]
        if cell.vertex.type in self.fitter.whole_types:
            return whole_pick(cell, {slot.label: number})
        return self.fitter.first_slots(cell.state, slot, number)

    def _many_slots(
        self, index: Index, slot: Need, allowed: int | None, wanted: int, sign: int, parts: dict[int, Pick]
    ) -> bool:
        """Merge the slots of all hosts by score (`sign` not 0), or take one host after the other."""
        chosen: dict[int, int] = {}
        heap: list[tuple[Any, int, int]] = []
        atoms, cells, slots = index.order.atoms, self.cells, self.fitter.slots

        def drain(limit: Any) -> None:
            nonlocal wanted
            while wanted and heap and (limit is None or heap[0][:2] < limit):
                _, place, i = heappop(heap)
                atom = atoms[place]
                chosen[atom] = i + 1
                wanted -= 1
                found = slots(cells[atom].state, slot)
                if i + 1 < len(found):
                    heappush(heap, (sign * found[i + 1].score, place, i + 1))

        for rank, mask in index.candidates(allowed):
            while mask and wanted:
                low = mask & -mask
                mask ^= low
                place = low.bit_length() - 1
                if sign:
                    drain((rank, place))
                    if wanted:
                        heappush(heap, (rank, place, 0))
                else:
                    atom = atoms[place]
                    number = min(wanted, len(slots(cells[atom].state, slot)))
                    chosen[atom] = number
                    wanted -= number
            if not wanted:
                break
        drain(None)
        if wanted:
            return False
        for atom, number in chosen.items():
            parts[atom] = self._slots_pick(atom, slot, number)
        return True

    def _slots_of_atoms(
        self, slot: Need, hosts: list[Upper], allowed: int | None, parts: dict[int, Pick]
    ) -> bool:
        """Fill slots with whole atoms: each slot's from right below one host."""
        if parts:
            allowed = self._without(parts, allowed)
        offers: list[tuple[Any, int, int, dict[int, Pick]]] = []
        limit = slot.count.most
        sign = -1 if self.chooser.high else 1
        for k, host in enumerate(hosts):
            within = self._within(host, allowed)
            for i in range(limit):
                inner: dict[int, Pick] = {}
                if not all(self._select_atoms(child, within, inner, True) for child in slot.children):
                    break
                if len(hosts) > 1:
                    score = sign * (1 + sum(self.cells[atom].vertex.id + 2 for atom in inner))
                    offers.append((score, k, i, inner))
                else:
                    offers.append((0, k, i, inner))
                within &= ~self.order.mask(list(inner))
        offers.sort(key=lambda offer: offer[:3])
        wanted = slot.count.choose(len(offers))
        if wanted == 0:
            return False
        for offer in offers[:wanted]:
            parts.update(labelled(self.cells, offer[3], slot.label) if self.unlike else offer[3])
        return True

    def _within(self, upper: Upper, allowed: int | None) -> int:
        mine = upper.mask(self.order, direct=True)
        return mine if allowed is None else mine & allowed


def whole_pick(cell: Cell, slots: Mapping[str, int] | None = None) -> Pick:
    """Return a pick of all that an atom has."""
    return Pick(True, True, (0,) * len(cell.leaves), (), slots)


def labelled(cells: list[Cell], parts: dict[int, Pick], label: str) -> dict[int, Pick]:
    """Say of what one slot is filled with that it is: its tasks run on the first node of it."""
    first = min(parts, key=lambda atom: (cells[atom].vertex.rank < 0, cells[atom].vertex.rank))
    pick = parts[first]
    return {**parts, first: Pick(pick.exclusive, pick.whole, pick.leaves, pick.kids, {label: 1})}
