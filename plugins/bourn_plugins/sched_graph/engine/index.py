"""Which atoms (nodes, mostly) fit a need, kept up to date as they change: masks by rank, lowest rank best."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bourn_plugins.sched_graph.engine.states import Cell


class Order:
    """A sequence of all atoms: bit p of a mask of this order is the atom `atoms[p]`."""

    def __init__(self, keys: Sequence[Any]) -> None:
        self.atoms = sorted(range(len(keys)), key=lambda atom: (keys[atom], atom))
        self.place = [0] * len(keys)
        for place, atom in enumerate(self.atoms):
            self.place[atom] = place
        self.bit = [1 << place for place in self.place]

    def mask(self, atoms: Sequence[int]) -> int:
        """Return the mask of some atoms."""
        mask = 0
        for atom in atoms:
            mask |= self.bit[atom]
        return mask


class Index:
    """The atoms that fit something, as a mask for each rank that there is."""

    def __init__(self, order: Order, cells: list[Cell], rank: Callable[[Cell], Any], log: list[int]) -> None:
        self.order = order
        self.cells = cells
        self.rank = rank
        self.buckets: dict[Any, int] = {}
        self.ranks: list[Any] = []
        """The ranks whose bucket isn't empty, ascending."""
        self._log = log
        self._cursor = len(log)
        self._current: list[Any] = [None] * len(cells)
        parts: dict[Any, bytearray] = {}
        width = (len(cells) + 7) // 8
        for cell in cells:
            value = rank(cell)
            if value is not None:
                self._current[cell.atom] = value
                place = order.place[cell.atom]
                part = parts.get(value)
                if part is None:
                    part = parts[value] = bytearray(width)
                part[place >> 3] |= 1 << (place & 7)
        self.buckets = {value: int.from_bytes(part, "little") for value, part in parts.items()}
        self.ranks = sorted(self.buckets)

    def refresh(self) -> None:
        """Take in the atoms that have changed since."""
        log = self._log
        if self._cursor == len(log):
            return
        changed = log[self._cursor :] if len(log) - self._cursor == 1 else dict.fromkeys(log[self._cursor :])
        self._cursor = len(log)
        current, cells, buckets = self._current, self.cells, self.buckets
        for atom in changed:
            value, old = self.rank(cells[atom]), current[atom]
            if value == old:
                continue
            current[atom] = value
            bit = self.order.bit[atom]
            if old is not None:
                left = buckets[old] ^ bit
                if left:
                    buckets[old] = left
                else:
                    del buckets[old]
                    self.ranks.remove(old)
            if value is not None:
                had = buckets.get(value)
                if had is None:
                    buckets[value] = bit
                    insort(self.ranks, value)
                else:
                    buckets[value] = had | bit

    def rewind(self, length: int) -> None:
        """Note that the log was cut; what lies before must have been taken in."""
        self._cursor = length

    def candidates(self, allowed: int | None) -> Iterator[tuple[Any, int]]:
        """Yield (rank, mask) in order, without those that aren't allowed."""
        for rank in self.ranks:
            mask = self.buckets[rank]
            if allowed is not None:
                mask &= allowed
                if not mask:
                    continue
            yield rank, mask
