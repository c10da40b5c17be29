"""The reference matcher: a depth-first walk over vertices, which chooses as the field's scheduler does.

It costs time in proportion to the graph. `bourn resource-query` uses it, and tests hold the interned
matcher of the scheduler against it. Semantics: docs/graph-scheduler.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.sched_graph.request import SLOT, orders, repeated, rounds
from bourn_plugins.sched_graph.walk.marks import Marks
from bourn_plugins.sched_graph.walk.supply import Budget, Supplies
from bourn_plugins.sched_graph.walk.tally import Found, Group, Share, whole_shares
from bourn_plugins.sched_graph.walk.weights import EdgeWeights
from bourn_plugins.sched_graph.walk.window import Mode, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bourn.hookspecs.match_policy import Scorer
    from bourn_plugins.sched_graph.request import Need
    from bourn_plugins.sched_graph.resources.graph import Vertex
    from bourn_plugins.sched_graph.walk.ledger import Ledger


class Walker:
    """Selects vertices for a request. What is selected stands in `marks` until the next `select`."""

    def __init__(self, ledger: Ledger, scorer: Scorer, auxiliaries: Sequence[str] = ()) -> None:
        """`auxiliaries` names the subsystems that supply what the ledger's subsystem holds."""
        self.ledger = ledger
        self.graph = ledger.graph
        self.subsystem = ledger.subsystem
        self.scorer = scorer
        self.marks = Marks(self.graph, self.subsystem)
        self.supplies = Supplies(ledger, auxiliaries) if auxiliaries else None
        self._drawing = False
        self.preorder = 0
        self.postorder = 0
        self.weights = EdgeWeights(self.graph, self.subsystem)
        self.errors: list[str] = []
        self.whole_types: frozenset[str] = frozenset()
        """Types of which a job gets all of a vertex in which it has something."""
        self._seen: set[int] = set()
        self._held: dict[int, bool] = {}
        """What the rounds before have selected or lies above that; True: nobody else can use it."""
        self._window = Window(0, 0, Mode.NOW)

    def exclusive_at(self, needs: Sequence[Need], vertex: Vertex) -> bool:
        """Whether a need asks for vertices of this type as exclusive."""
        return any(need.exclusive and need.type == vertex.type for need in needs)

    def select(self, needs: tuple[Need, ...], window: Window) -> bool:
        """Mark the best vertices for `needs` in the window; False if there aren't enough."""
        root = self.graph.roots[self.subsystem]
        self.marks.clear()
        self._seen = set()
        self._held = {}
        self._window = window
        self.preorder = self.postorder = 0
        self._drawing = self.supplies is not None and _asks_for(needs, self.supplies.types)
        return self._in_rounds(root, needs, lambda each: self._select(root, each))

    def _rounds(self, needs: tuple[Need, ...]) -> tuple[tuple[Need, ...], ...]:
        return rounds(needs)

    def _in_rounds(
        self, top: Vertex, needs: tuple[Need, ...], select: Callable[[tuple[Need, ...]], bool]
    ) -> bool:
        """Select siblings below a vertex; of several of one type each when those before it have theirs."""
        split = self._rounds(needs)
        if len(split) == 1:
            return select(needs)
        if self._drawing:
            self.errors.append(
                f"{split[1][0].path}: siblings in the request ask for the same type {split[1][0].type}, "
                "and something in it for suppliers"
            )
            return False
        apart = repeated(needs)
        seen, edges, held = self._seen, self.marks.edges, self._held
        for order in orders(split):
            kept: dict[tuple[int, int], tuple[int, bool]] = {}
            self._held = dict(held)
            done = True
            for each in order:
                self._seen, self.marks.edges = set(seen), {}
                done = select(each)
                if not done:
                    break
                self._hold(top, apart, kept)
            self._seen, self._held = seen, held
            if done:
                self.marks.edges = {**edges, **kept}
                return True
        self.marks.edges = edges
        return False

    def _hold(
        self, vertex: Vertex, apart: frozenset[str], kept: dict[tuple[int, int], tuple[int, bool]]
    ) -> bool:
        """Keep the marks that lead from a vertex to what is taken; return whether there are any."""
        any_taken = False
        for kid in self.graph.out(vertex, self.subsystem):
            key = (vertex.index, kid.index)
            mark = self.marks.edges.get(key)
            if mark is None:
                continue
            alone = mark[1] or kid.type in self.whole_types
            if self._hold(kid, apart, kept) or alone:
                kept[key] = mark
                self._held[kid.index] = alone or kid.type in apart
                any_taken = True
        return any_taken

    def _select(self, root: Vertex, needs: tuple[Need, ...]) -> bool:
        """Mark the best vertices for `needs`, of which no two are of one type."""
        exclusive = self.exclusive_at(needs, root)
        found = Found()
        ok, exclusive = self._visit(root, needs, True, exclusive, found)
        self.scorer.reset()
        if not ok:
            return False
        found.of(root.type).add(Group(found.score, found.avail, [], root=True))
        budget = self._budget()
        if not all(self._choose(root, need, found, budget, self.scorer.sort_graph) for need in needs):
            return False
        units = 1
        for need in needs:
            if need.type == root.type:
                units = need.count.choose(found.avail)
                if units == 0:
                    return False
        self.marks.take(found, None)
        self.marks.root = (units, exclusive)
        self._held[root.index] = exclusive
        if budget is not None:
            self.marks.draws = budget.draws
        return True

    # -- the walk --

    def _visit(
        self, vertex: Vertex, needs: tuple[Need, ...], pristine: bool, exclusive: bool, to_parent: Found
    ) -> tuple[bool, bool]:
        """Look at a vertex and all below it; return (it can be used, exclusively)."""
        exclusive = exclusive or self.exclusive_at(needs, vertex)
        own = self._own(vertex, needs)
        inner = needs if own is None else own.children
        slots = () if own is not None else self._slots_here(vertex, inner)
        pristine = pristine and own is None
        self.preorder += 1
        if own is None and not slots and not pristine:
            return False, exclusive
        window = self._window
        if not self._passes(vertex, needs, own, exclusive):
            return False, exclusive
        self.scorer.enter(vertex)
        self._seen.add(vertex.index)
        found = Found()
        budget = None if own is None else self._budget()
        if own is None:
            self._find(vertex, inner, slots, pristine, exclusive, found)
            ok = True
        else:
            ok = self._in_rounds(
                vertex, inner, lambda each: self._fill(vertex, each, exclusive, budget, found)
            )
        score = self.scorer.leave(vertex)
        if not ok:
            return False, exclusive
        if not found.constrained:
            to_parent.merge(found)
        to_parent.avail = self.ledger.free(vertex, window.start, window.end)
        to_parent.score = score
        to_parent.draws = () if budget is None else tuple(budget.draws)
        if own is not None and own.label:
            self.marks.labels[vertex.index] = own.label
        self.postorder += 1
        return True, exclusive

    def _fill(
        self,
        vertex: Vertex,
        needs: tuple[Need, ...],
        exclusive: bool,
        budget: Budget | None,
        to: Found,
    ) -> bool:
        """Choose what a vertex that was asked for must contain; False if it doesn't."""
        found = Found()
        self._find(vertex, needs, self._slots_here(vertex, needs), False, exclusive, found)
        if not all(self._choose(vertex, need, found, budget, self.scorer.sort) for need in needs):
            return False
        if found.constrained:
            self.marks.take(found, vertex)
            to.constrained = True
        else:
            to.merge(found)
        return True

    def _find(
        self,
        vertex: Vertex,
        needs: tuple[Need, ...],
        slots: tuple[Need, ...],
        pristine: bool,
        exclusive: bool,
        found: Found,
    ) -> None:
        """Look for what is asked for below a vertex."""
        if slots:
            self._slots(vertex, slots, found)
            needs = tuple(need for need in needs if need.type != SLOT)
        if needs or not slots:
            self._explore(vertex, needs, pristine, exclusive, found, 1)

    def _budget(self) -> Budget | None:
        if not self._drawing or self.supplies is None:
            return None
        return Budget(self.supplies, self.ledger, self._window)

    def _choose(
        self,
        vertex: Vertex,
        need: Need,
        found: Found,
        budget: Budget | None,
        sort: Callable[[list[Group]], None],
    ) -> bool:
        """Choose as many for a need as its count takes of what was found below a vertex, or draw it."""
        if budget is not None:
            if self._drawn(need):
                return budget.draw(vertex, need)
            found.of(need.type).ration(budget, sort)
        wanted = need.count.choose(found.qualified(need.type))
        if wanted == 0:
            return False
        found.choose(need.type, wanted, sort)
        if budget is not None:
            for group in found.of(need.type).taken():
                budget.take(group.draws)
        return True

    def _drawn(self, need: Need) -> bool:
        """Whether a need is met by suppliers."""
        return self.supplies is not None and need.type in self.supplies.types

    def _own(self, vertex: Vertex, needs: tuple[Need, ...]) -> Need | None:
        """Return the one of `needs` that a vertex is by its type."""
        own: Need | None = None
        for need in needs:
            if need.type == vertex.type:
                if own is not None:
                    self.errors.append(
                        f"{need.path}: siblings in the request ask for the same type {vertex.type}"
                    )
                    return None
                own = need
        return own

    def _slots_here(self, vertex: Vertex, needs: tuple[Need, ...]) -> tuple[Need, ...]:
        """Return the slots among `needs` that are filled from what lies right below a vertex."""
        slots = [need for need in needs if need.type == SLOT]
        if len(slots) > 1:
            self.errors.append(
                f"{slots[1].path}: siblings in the request are slots; the flexible traverser takes those"
            )
            return ()
        return tuple(slot for slot in slots if self._has_all(vertex, slot))

    def _has_all(self, vertex: Vertex, slot: Need) -> bool:
        types = {kid.type for kid in self.graph.out(vertex, self.subsystem)}
        shape = [child.type for child in slot.children if not self._drawn(child)]
        return types.issuperset(shape) and bool(shape or not slot.children)

    def _passes(self, vertex: Vertex, needs: tuple[Need, ...], own: Need | None, exclusive: bool) -> bool:
        window, ledger = self._window, self.ledger
        if not vertex.up and not window.ever:
            return False
        if self._held and self._held.get(vertex.index):
            return False
        if (
            window.allows is not None
            and vertex.type in ("node", "storage_node")
            and not window.allows(vertex)
        ):
            return False
        if ledger.free(vertex, window.start, window.end) <= 0:
            return False
        if self.supplies is not None and not self.supplies.usable(vertex, window):
            return False
        if own is not None:
            return self._may_have(vertex, own, exclusive) and self._has_below(vertex, own)
        # Alternatives, and what else is looked for, may be there where one of them isn't.
        return len(needs) != 1 or needs[0].type != SLOT or self._has_below(vertex, needs[0])

    def _has_below(self, vertex: Vertex, need: Need) -> bool:
        window = self._window
        return not need.below or self.ledger.subtree_fits(vertex, window.start, window.end, need.below)

    def _may_have(self, vertex: Vertex, need: Need, exclusive: bool) -> bool:
        if exclusive and need.exclusive is False:
            self.errors.append(
                f"{need.path}.exclusive: must not be false under an exclusive resource or a slot"
            )
            return False
        if exclusive or need.exclusive:
            if vertex.index in self._held:
                return False
            if self._window.mode is Mode.NOW and vertex.index in self.ledger.allocations:
                # Even outside its planned time: a job that overruns still sits there.
                return False
            return self.ledger.unused(vertex, self._window.start, self._window.end)
        return True

    def _explore(
        self,
        vertex: Vertex,
        needs: tuple[Need, ...],
        pristine: bool,
        exclusive: bool,
        found: Found,
        multiplier: int,
    ) -> bool:
        """Visit what a vertex contains: all of it, or until each type has its share, the vertices with most
        left first.
        """
        hurried = self.scorer.stop_early and not self._drawing
        shares = {need.type: Share(need.count.most) for need in needs} if hurried else {}
        enough: set[str] = set()
        any_found = False
        for kid in self.weights.order(vertex) if hurried else self.graph.out(vertex, self.subsystem):
            if kid.index in self._seen or kid.type in enough:
                continue
            ok, taken = self._visit(kid, needs, pristine, exclusive, found)
            if not ok:
                continue
            found.add(vertex, kid, taken)
            any_found = True
            for type, share in shares.items():
                share.add(found.of(type).total - share.seen)
                if share.shares >= multiplier:
                    enough.add(type)
            if hurried and len(enough) == len(shares):
                break
        return any_found

    def _slots(self, vertex: Vertex, slots: tuple[Need, ...], found: Found) -> None:
        """Fill slots greedily from whole vertices below `vertex`."""
        (slot,) = slots
        inner = Found()
        shape = tuple(child for child in slot.children if not self._drawn(child))
        if not self._explore(vertex, shape, False, True, inner, slot.count.most):
            return
        for tally in list(inner.tallies.values()):
            tally.choose(tally.qualified, self.scorer.sort_slot)
        sizes = [child.count.choose(inner.qualified(child.type)) for child in shape]
        lists = [inner.of(child.type).groups for child in shape]
        number = min(
            (whole_shares(groups, size) for groups, size in zip(lists, sizes, strict=True)), default=0
        )
        places = [0] * len(lists)
        for _ in range(number):
            group = Group(1, 1, [])
            for k, (groups, size) in enumerate(zip(lists, sizes, strict=True)):
                have = 0
                while have < size:
                    part = groups[places[k]]
                    places[k] += 1
                    parent, kid, units, _ = part.edges[0]
                    group.edges.append((parent, kid, units, True))
                    group.score += part.score
                    group.draws += part.draws
                    have += part.edges[0][2]
            group.label = slot.label
            if not self._supply(vertex, slot, group):
                return
            found.of(SLOT).add(group)

    def _supply(self, vertex: Vertex, slot: Need, group: Group) -> bool:
        """Draw what one slot asks of suppliers."""
        budget = self._budget()
        if budget is None:
            return True
        budget.take(group.draws)
        if not all(budget.draw(vertex, child) for child in slot.children if self._drawn(child)):
            return False
        group.draws = tuple(budget.draws)
        return True

    def graph_changed(self) -> None:
        """Forget what was derived from the graph's relations."""
        self.weights.forget_order()
        self.marks.refresh()
        if self.supplies is not None:
            self.supplies.refresh()


def _asks_for(needs: Iterable[Need], types: frozenset[str]) -> bool:
    return any(need.type in types or _asks_for(need.children, types) for need in needs)
