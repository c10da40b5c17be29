"""Another state of affairs: some jobs gone, other parts held, and all of it undone at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn_plugins.sched_graph.engine.pick import Pick
    from bourn_plugins.sched_graph.engine.realm import Parts, Realm
    from bourn_plugins.sched_graph.engine.states import Cell, State

    Look = list[tuple[Cell, list[int], int, bool, State]]
    """What a cell, and those below it, look like: (cell, free, users, taken, state)."""


class WhatIf:
    """Another state of affairs, undone at the end; it may `move` on to others meanwhile.

    What is held may overlap, as what is held by one after the other does.
    """

    def __init__(self, engine: Realm, gone: Iterable[Parts], held: Iterable[Parts]) -> None:
        self.engine = engine
        self._first = gone, held
        self._before: dict[int, Look] = {}
        """The atoms that were touched, as they really are."""
        self._bare: dict[int, Look] = {}
        """Those of which something is held, as they are without."""
        self._held: dict[int, list[Pick]] = {}
        self._busy = 0
        self._version = 0

    def __enter__(self) -> WhatIf:
        self._busy, self._version = self.engine.busy, self.engine.version
        gone, held = self._first
        self.move(gone, (), held)
        return self

    def move(self, gone: Iterable[Parts], dropped: Iterable[Parts], held: Iterable[Parts]) -> None:
        """Let more jobs be gone, and hold other things; `dropped` are among those that were held."""
        engine, cells, picks = self.engine, self.engine.cells, self._held
        changed: set[int] = set()
        for parts in gone:
            for atom, pick in parts:
                if atom in self._bare:
                    self._lay_bare(atom)
                    changed.add(atom)
                elif atom not in self._before:
                    self._before[atom] = _look(cells[atom])
                engine.revert(cells[atom], pick)
        for parts in dropped:
            for atom, pick in parts:
                picks[atom].remove(pick)
                changed.add(atom)
        for parts in held:
            for atom, pick in parts:
                picks.setdefault(atom, []).append(pick)
                changed.add(atom)
        for atom in changed:
            self._lay_bare(atom)
            if picks.get(atom):
                cell = cells[atom]
                self._bare[atom] = _look(cell)
                engine.apply_all(cell, picks[atom])
        engine.changed()

    def __exit__(self, *exc: object) -> None:
        for look in self._before.values():
            self._restore(look)
        self.engine.busy, self.engine.version = self._busy, self._version

    def _lay_bare(self, atom: int) -> None:
        """Make an atom what it is without what is held of it."""
        bare = self._bare.pop(atom, None)
        if bare is not None:
            self._restore(bare)
            if not bare[0][2]:
                self.engine.busy &= ~self.engine.order.bit[atom]
        elif atom not in self._before:
            self._before[atom] = _look(self.engine.cells[atom])

    def _restore(self, look: Look) -> None:
        for cell, free, users, taken, state in look:
            cell.free[:] = free
            cell.users, cell.taken, cell.state = users, taken, state
        self.engine.log.append(look[0][0].atom)


def _look(cell: Cell) -> Look:
    found = [(cell, list(cell.free), cell.users, cell.taken, cell.state)]
    for kid in cell.kids:
        found += _look(kid)
    return found
