"""Another state of affairs: some jobs gone, other parts taken, and all of it undone at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn_plugins.sched_graph.engine.engine import Engine, Parts
    from bourn_plugins.sched_graph.engine.states import Cell, State


class WhatIf:
    """Another state of affairs, undone at the end."""

    def __init__(self, engine: Engine, gone: Iterable[Parts], taken: Iterable[Parts]) -> None:
        self.engine = engine
        self.gone = gone
        self.taken = taken
        self._kept: list[tuple[Cell, list[int], int, bool, State]] = []
        self._busy = 0
        self._version = 0
        self._touched: set[int] = set()

    def __enter__(self) -> WhatIf:
        self._busy, self._version = self.engine.busy, self.engine.version
        for parts in self.gone:
            self.release(parts)
        for parts in self.taken:
            self._touch(parts)
            for atom, pick in parts:
                self.engine.apply(self.engine.cells[atom], pick)
        self.engine.changed()
        return self

    def release(self, parts: Parts) -> None:
        """Let one more job be gone."""
        self._touch(parts)
        for atom, pick in parts:
            self.engine.revert(self.engine.cells[atom], pick)
        self.engine.changed()

    def _touch(self, parts: Parts) -> None:
        for atom, _ in parts:
            if atom not in self._touched:
                self._touched.add(atom)
                self._keep(self.engine.cells[atom])

    def free_units(self, type: str) -> int:
        """Return how many units are free in it on atoms that are up."""
        engine = self.engine
        free = engine.free_units(type)
        for cell, *_, state in self._kept:
            if cell.parent is None and engine.ups[cell.atom]:
                free += cell.state.free_units(type) - state.free_units(type)
        return free

    def __exit__(self, *exc: object) -> None:
        engine = self.engine
        for cell, free, users, taken, state in reversed(self._kept):
            cell.free[:] = free
            cell.users, cell.taken, cell.state = users, taken, state
            if cell.parent is None:
                engine.log.append(cell.atom)
        engine.busy, engine.version = self._busy, self._version

    def _keep(self, cell: Cell) -> None:
        self._kept.append((cell, list(cell.free), cell.users, cell.taken, cell.state))
        for kid in cell.kids:
            self._keep(kid)
