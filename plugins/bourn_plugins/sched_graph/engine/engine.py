"""The interned matcher: finds what a request gets, and keeps what jobs hold. A match looks at masks of atoms
that fit; only the atoms that a job gets are touched.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn_plugins.sched_graph.engine.pick import join
from bourn_plugins.sched_graph.engine.policy import PolicyFault
from bourn_plugins.sched_graph.engine.realm import Parts
from bourn_plugins.sched_graph.engine.slots import SlotMatcher, labelled, whole_pick
from bourn_plugins.sched_graph.engine.whatif import WhatIf
from bourn_plugins.sched_graph.request import SLOT, orders, repeated, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn_plugins.sched_graph.engine.pick import Pick
    from bourn_plugins.sched_graph.engine.policy import Chooser
    from bourn_plugins.sched_graph.engine.states import Cell, Interner
    from bourn_plugins.sched_graph.engine.upper import Upper
    from bourn_plugins.sched_graph.request import Need, Request
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph

__all__ = ["Engine", "Parts"]

_MOST_FAILURES = 1 << 16


class Engine(SlotMatcher):
    """Matches requests now, and keeps what jobs hold. No clock: `planner` adds time."""

    def __init__(self, graph: ResourceGraph, chooser: Chooser, **options: Any) -> None:
        super().__init__(graph, chooser, **options)
        self.jobs: dict[int, Parts] = {}
        self._containers = {SLOT, *self.uppers}
        self._failed: dict[Any, int] = {}
        """The version at which a request last didn't fit."""

    @classmethod
    def of(
        cls,
        graph: ResourceGraph,
        chooser: Chooser,
        fault: Callable[[str], None],
        *,
        strict: bool = False,
        interner: Interner | None = None,
        kept: Mapping[int, Cell] | None = None,
    ) -> Engine:
        """Make an engine; if the policy can't order the graph it is told to `fault`, and ids do instead.

        With `strict` that is a BournError, and later failures are PolicyFaults.
        """
        try:
            made = cls(graph, chooser, interner=interner, kept=kept)
        except (PolicyFault, TypeError) as error:
            text = str(error) if isinstance(error, PolicyFault) else f"order() can't be sorted: {error}"
            if strict:
                raise BournError(f"match policy {chooser.name} failed: {text}") from error
            chooser.disable_order()
            fault(text)
            made = cls(graph, chooser)
        made.fault, made.strict = fault, strict
        return made

    def match(self, request: Request, forbidden: int | None = None) -> Parts | None:
        """Return what the request gets now, without taking it; None if it doesn't fit.

        `forbidden` is a mask of `order`: atoms that are promised to others. A policy that fails is told to
        `fault` and not asked again.
        """
        try:
            return self._match(request, forbidden) or None
        except (PolicyFault, TypeError) as error:
            if isinstance(error, TypeError) and not self.chooser.asks:
                raise
            self.distrust(error)
            return self._match(request, forbidden) or None

    def fits(self, request: Request) -> bool:
        """Whether there is now what a request asks for, also if it gets nothing, as of what is shared."""
        return self._match(request, None) is not None

    def _match(self, request: Request, forbidden: int | None) -> Parts | None:
        if self._failed.get(request.kind) == self.version:
            return None
        allowed = self._allowed(request, forbidden)
        if allowed is not None and not allowed:
            return None
        parts: dict[int, Pick] = {}
        self.unlike = request.unlike
        if self._select_all(request.needs, allowed, parts):
            return list(parts.items())
        if forbidden is None:
            if len(self._failed) > _MOST_FAILURES:
                self._failed.clear()
            self._failed[request.kind] = self.version
        return None

    def _select_all(
        self,
        needs: tuple[Need, ...],
        allowed: int | None,
        parts: dict[int, Pick],
        above: Upper | None = None,
        exclusive: bool = False,
    ) -> bool:
        """Add what siblings get to `parts`. Below a vertex that was asked for (`above`) no level is left out.

        Several of one type come in rounds: each is selected when what those before it get is taken.
        """
        split = rounds(needs)
        if len(split) == 1:
            for need in needs:
                if not self._select(need, self._below(need, allowed, above), parts, exclusive, above):
                    return False
            return True
        apart = repeated(needs)
        for order in orders(split):
            with ExitStack() as undo:
                made: list[dict[int, Pick]] = []
                left = allowed
                for each in order:
                    inner: dict[int, Pick] = {}
                    if not self._select_all(each, left, inner, above, exclusive):
                        break
                    undo.enter_context(self.what_if((), [list(inner.items())]))
                    made.append(inner)
                    left = self._without(self._apart(inner, apart), left)
                else:
                    for inner in made:
                        for atom, pick in inner.items():
                            parts[atom] = join(parts[atom], pick) if atom in parts else pick
                    return True
        return False

    def _below(self, need: Need, allowed: int | None, above: Upper | None) -> int | None:
        """Return where to look for something that is asked for in a vertex: right below it, or deeper."""
        if above is None:
            return allowed
        if need.type not in self._containers:
            return self._within(above, allowed)
        mine = above.mask(self.order)
        return mine if allowed is None else mine & allowed

    def _apart(self, parts: Mapping[int, Pick], types: frozenset[str]) -> set[int]:
        """Return the atoms of which a sibling gets nothing: those that are, or lie in, vertices of some types
        of which another has got something.
        """
        found = {atom for atom in parts if self.cells[atom].vertex.type in types}
        for type in types & self.uppers.keys():
            for upper in self.uppers[type]:
                if not parts.keys().isdisjoint(upper.atoms):
                    found.update(upper.atoms)
        return found

    def _select(
        self,
        need: Need,
        allowed: int | None,
        parts: dict[int, Pick],
        exclusive: bool,
        above: Upper | None = None,
    ) -> bool:
        """Add what one need gets to `parts`. Below a vertex that was asked for (`above`) no level is
        left out.
        """
        if need.type == SLOT:
            if any(child.type in self.uppers for child in need.children):
                return self._slots_of_uppers(need, allowed, parts, above)
            return self._select_slots(need, allowed, parts, above)
        # A rack without nodes is an atom; nobody can want it.
        if need.type in self.uppers:
            options = self.uppers[need.type] if above is None else above.uppers
            return self._select_uppers(need, options, allowed, parts, exclusive)
        return self._select_atoms(need, allowed, parts, exclusive)

    def _select_uppers(
        self,
        need: Need,
        uppers: Sequence[Upper],
        allowed: int | None,
        parts: dict[int, Pick],
        exclusive: bool,
    ) -> bool:
        options: list[dict[int, Pick]] = []
        exclusive = exclusive or bool(need.exclusive)
        if parts:
            allowed = self._without(parts, allowed)
        for upper in sorted(uppers, key=lambda each: self.chooser.sibling(each.vertex)):
            mine = upper.mask(self.order)
            if upper.vertex.type != need.type or not self.is_up(upper.vertex):
                continue
            if exclusive and (self.busy & mine or (allowed is not None and mine & ~allowed)):
                continue
            inner: dict[int, Pick] = {}
            if self._select_all(need.children, allowed, inner, upper, exclusive):
                if exclusive:
                    # What is down in an exclusive rack can't run anything: it isn't given away.
                    cells = [self.cells[atom] for atom in upper.atoms]
                    inner = {
                        cell.atom: whole_pick(cell, inner[cell.atom].slots if cell.atom in inner else None)
                        for cell in cells
                        if self.is_up(cell.vertex)
                    }
                options.append(inner)
            if len(options) == need.count.most:
                break
        wanted = need.count.choose(len(options))
        if wanted == 0:
            return False
        for inner in options[:wanted]:
            parts.update(inner)
        return True

    def _slots_of_uppers(
        self, slot: Need, allowed: int | None, parts: dict[int, Pick], above: Upper | None
    ) -> bool:
        """Fill slots with what stands above atoms, as racks: those come whole."""
        free = self._without(parts, allowed)
        filled: list[dict[int, Pick]] = []
        while len(filled) < min(slot.count.most, len(self.cells)):
            inner: dict[int, Pick] = {}
            for child in slot.children:
                if not self._select(child, self._without(inner, free), inner, True, above):
                    break
            else:
                filled.append(inner)
                free = self._without(inner, free)
                continue
            break
        wanted = slot.count.choose(len(filled))
        for inner in filled[:wanted]:
            parts.update(labelled(self.cells, inner, slot.label) if self.unlike and inner else inner)
        return wanted > 0

    def allocate(self, job: int, parts: Parts) -> None:
        """Take what `match` found."""
        for atom, pick in parts:
            cell = self.cells[atom]
            before = cell.state
            self.apply(cell, pick)
            self._recount(cell, before)
        self.jobs[job] = parts
        self.changed()

    def free(self, job: int, ranks: Sequence[int] | None = None) -> bool:
        """Release a job, or what it has on some ranks; True if it has nothing left."""
        parts = self.jobs.get(job)
        if parts is None:
            return True
        gone = None if ranks is None else {self.by_rank[rank] for rank in ranks if rank in self.by_rank}
        left: Parts = []
        for atom, pick in parts:
            if gone is None or atom in gone:
                cell = self.cells[atom]
                before = cell.state
                self.revert(cell, pick)
                self._recount(cell, before)
            else:
                left.append((atom, pick))
        self.changed()
        if left:
            self.jobs[job] = left
            return False
        del self.jobs[job]
        return True

    def what_if(self, gone: Iterable[Parts], taken: Iterable[Parts]) -> WhatIf:
        """Return a context in which some jobs are gone and other parts are taken; matches in it commit
        nothing.
        """
        return WhatIf(self, gone, taken)
