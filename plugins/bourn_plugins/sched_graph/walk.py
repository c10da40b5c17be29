"""The reference matcher: a depth-first walk over vertices, which chooses as the field's scheduler does.

It costs time in proportion to the graph. `bourn resource-query` uses it, and tests hold the interned
matcher of the scheduler against it. Semantics: docs/graph-scheduler.md.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from attrs import define

from bourn_plugins.sched_graph.graph import CONTAINMENT
from bourn_plugins.sched_graph.request import SLOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.hookspecs.match_policy import Scorer
    from bourn_plugins.sched_graph.graph import Vertex
    from bourn_plugins.sched_graph.ledger import Ledger
    from bourn_plugins.sched_graph.request import Need

UNUSED_WEIGHT = (1 << 64) - 1


class Mode(Enum):
    """What a walk is for: resources now, resources at a later time, or whether there could ever be any."""

    NOW = auto()
    LATER = auto()
    EVER = auto()


@define(eq=False)
class Window:
    """When, for what and under which constraint a walk looks."""

    start: int
    end: int
    mode: Mode
    allows: Callable[[Vertex], bool] | None = None


class Group:
    """Vertices that are taken together or not at all: one vertex, or those of one slot."""

    __slots__ = ("count", "edges", "label", "root", "score")

    def __init__(
        self, score: int, count: int, edges: list[tuple[Vertex, Vertex, int, bool]], root: bool = False
    ) -> None:
        self.score = score
        self.count = count
        self.edges = edges
        """(parent, vertex, units, exclusive)."""
        self.root = root
        self.label = ""


class Tally:
    """The groups of one type that were found; the first `chosen` are taken once `choose` has been called."""

    __slots__ = ("chosen", "groups", "qualified", "total", "wanted")

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.qualified = 0
        self.total = 0
        self.wanted = 0
        self.chosen = 0

    def add(self, group: Group) -> None:
        """Add one; it qualifies unless its score is 0."""
        self.total += group.count
        if group.score > 0:
            self.qualified += group.count
        self.groups.append(group)

    def choose(self, wanted: int, sort: Callable[[list[Group]], None]) -> bool:
        """Sort, and take from the front until the counts reach `wanted`."""
        if not 0 < wanted <= self.qualified:
            return False
        sort(self.groups)
        left, i = wanted, 0
        while left > 0:
            left -= self.groups[i].count
            i += 1
        self.wanted, self.chosen = wanted, i
        return True


class Found:
    """What a subtree offers its parent."""

    __slots__ = ("avail", "constrained", "score", "tallies")

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}
        self.constrained = False
        self.score = -1
        self.avail = 0

    def of(self, type: str) -> Tally:
        """Return the tally of a type, a new one if there is none yet."""
        tally = self.tallies.get(type)
        if tally is None:
            tally = self.tallies[type] = Tally()
        return tally

    def qualified(self, type: str) -> int:
        """Return how many units of a type qualify."""
        tally = self.tallies.get(type)
        return 0 if tally is None else tally.qualified

    def choose(self, type: str, wanted: int, sort: Callable[[list[Group]], None]) -> None:
        """Choose so many of a type; what a chosen type's vertices contain is chosen with them."""
        if self.of(type).choose(wanted, sort):
            self.constrained = True

    def merge(self, other: Found) -> None:
        """Take over what a vertex that nobody asked for offers."""
        for type, tally in other.tallies.items():
            mine = self.of(type)
            mine.qualified += tally.qualified
            mine.total += tally.total
            mine.groups.extend(tally.groups)


class _Share:
    """Progress of an early stop: how many whole shares of a need have been found."""

    __slots__ = ("partial", "seen", "shares", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.shares = 0
        self.partial = 0
        self.seen = 0

    def add(self, units: int) -> None:
        self.partial += units
        if self.partial >= self.size:
            self.shares += 1
            self.partial = 0


class Walker:
    """Selects vertices for a request. What is selected stands in `marks` until the next `select`."""

    def __init__(self, ledger: Ledger, scorer: Scorer) -> None:
        self.ledger = ledger
        self.graph = ledger.graph
        self.subsystem = ledger.subsystem
        self.scorer = scorer
        self.marks: dict[tuple[int, int], tuple[int, bool]] = {}
        """(parent, vertex) -> (units, exclusive) of what was selected."""
        self.root_mark = (0, False)
        self.preorder = 0
        self.postorder = 0
        self.weights: dict[tuple[int, int], int] = {}
        self.errors: list[str] = []
        self.labels: dict[int, str] = {}
        self._seen: set[int] = set()
        self._window = Window(0, 0, Mode.NOW)
        self._order: dict[int, list[Vertex]] = {}
        self._above: dict[int, Vertex] | None = None

    def exclusive_at(self, needs: Sequence[Need], vertex: Vertex) -> bool:
        """Whether a need asks for vertices of this type as exclusive."""
        return any(need.exclusive and need.type == vertex.type for need in needs)

    def select(self, needs: tuple[Need, ...], window: Window) -> bool:
        """Mark the best vertices for `needs` in the window; False if there aren't enough."""
        root = self.graph.roots[self.subsystem]
        self.marks = {}
        self.labels = {}
        self._seen = set()
        self._window = window
        self.preorder = self.postorder = 0
        exclusive = self.exclusive_at(needs, root)
        found = Found()
        ok, exclusive = self._visit(root, needs, True, exclusive, found)
        self.scorer.reset()
        if not ok:
            return False
        found.of(root.type).add(Group(found.score, found.avail, [], root=True))
        for need in needs:
            wanted = need.count.choose(found.qualified(need.type))
            if wanted == 0:
                return False
            found.choose(need.type, wanted, self.scorer.sort_graph)
        units = 1
        for need in needs:
            if need.type == root.type:
                units = need.count.choose(found.avail)
                if units == 0:
                    return False
        self._take(found, None)
        self.root_mark = (units, exclusive)
        return True

    # -- the walk --

    def _visit(
        self, vertex: Vertex, needs: tuple[Need, ...], pristine: bool, exclusive: bool, to_parent: Found
    ) -> tuple[bool, bool]:
        """Look at a vertex and all below it; return (it can be used, exclusively)."""
        exclusive = exclusive or self.exclusive_at(needs, vertex)
        slot, matched = self._match(vertex, needs)
        self.preorder += 1
        if slot is None and matched is None and not pristine:
            return False, exclusive
        window = self._window
        if not self._passes(vertex, needs, exclusive):
            return False, exclusive
        self.scorer.enter(vertex)
        self._seen.add(vertex.index)
        found = Found()
        if slot is not None:
            self._slots(vertex, slot, found)
        elif matched is not None:
            self._explore(vertex, matched.children, False, exclusive, found, 1)
        else:
            self._explore(vertex, needs, True, exclusive, found, 1)
        ok = True
        for need in needs:
            if need.type != vertex.type:
                continue
            for child in need.children:
                wanted = child.count.choose(found.qualified(child.type))
                if wanted == 0:
                    ok = False
                    break
                found.choose(child.type, wanted, self.scorer.sort)
        score = self.scorer.leave(vertex)
        if not ok:
            return False, exclusive
        if found.constrained:
            self._take(found, vertex)
        else:
            to_parent.merge(found)
        to_parent.avail = self.ledger.free(vertex, window.start, window.end)
        to_parent.score = score
        for need in needs:
            if need.type == vertex.type and need.label:
                self.labels[vertex.index] = need.label
        self.postorder += 1
        return True, exclusive

    def _match(self, vertex: Vertex, needs: tuple[Need, ...]) -> tuple[tuple[Need, ...] | None, Need | None]:
        """Return what of `needs` a vertex can be: where slots are filled, a resource, or neither."""
        slot: Need | None = None
        matched: Need | None = None
        taken = False
        for need in needs:
            if need.type != vertex.type and need.type != SLOT:
                continue
            if taken:
                self.errors.append(
                    f"{need.path}: siblings in the request ask for the same type {vertex.type}"
                )
                return None, None
            taken = True
            if need.type == SLOT:
                slot = need
            else:
                matched = need
                for child in need.children:
                    if child.type == SLOT:
                        slot = child
        if slot is not None and self._has_all(vertex, slot):
            return (slot,), matched
        return None, matched

    def _has_all(self, vertex: Vertex, slot: Need) -> bool:
        types = {kid.type for kid in self._out(vertex)}
        return all(child.type in types for child in slot.children)

    def _passes(self, vertex: Vertex, needs: tuple[Need, ...], exclusive: bool) -> bool:
        window, ledger = self._window, self.ledger
        if not vertex.up and window.mode is not Mode.EVER:
            return False
        if (
            window.allows is not None
            and vertex.type in ("node", "storage_node")
            and not window.allows(vertex)
        ):
            return False
        if ledger.free(vertex, window.start, window.end) <= 0:
            return False
        for need in needs:
            if need.type == SLOT:
                if not self._slot_passes(vertex, need):
                    return False
            elif need.type == vertex.type:
                if not self._may_have(vertex, need, exclusive):
                    return False
                if need.below and not ledger.subtree_fits(vertex, window.start, window.end, need.below):
                    return False
        return True

    def _slot_passes(self, vertex: Vertex, need: Need) -> bool:
        window = self._window
        return not need.below or self.ledger.subtree_fits(vertex, window.start, window.end, need.below)

    def _may_have(self, vertex: Vertex, need: Need, exclusive: bool) -> bool:
        if exclusive and need.exclusive is False:
            self.errors.append(
                f"{need.path}.exclusive: must not be false under an exclusive resource or a slot"
            )
            return False
        if exclusive or need.exclusive:
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
        if self.scorer.stop_early:
            return self._explore_some(vertex, needs, pristine, exclusive, found, multiplier)
        any_found = False
        for kid in self.graph.out(vertex, self.subsystem):
            if kid.index in self._seen:
                continue
            ok, taken = self._visit(kid, needs, pristine, exclusive, found)
            if ok:
                group = Group(found.score, found.avail, [(vertex, kid, found.avail, taken)])
                found.of(kid.type).add(group)
                any_found = True
        return any_found

    def _explore_some(
        self,
        vertex: Vertex,
        needs: tuple[Need, ...],
        pristine: bool,
        exclusive: bool,
        found: Found,
        multiplier: int,
    ) -> bool:
        """Explore until each type has its share: the vertices with most left first."""
        shares = {need.type: _Share(need.count.most) for need in needs}
        enough: set[str] = set()
        any_found = False
        for kid in self.kids_by_weight(vertex):
            if kid.index in self._seen or kid.type in enough:
                continue
            ok, taken = self._visit(kid, needs, pristine, exclusive, found)
            if not ok:
                continue
            found.of(kid.type).add(Group(found.score, found.avail, [(vertex, kid, found.avail, taken)]))
            any_found = True
            for type, share in shares.items():
                total = found.of(type).total
                if total > share.seen:
                    share.add(total - share.seen)
                    share.seen = total
                if share.shares >= multiplier:
                    enough.add(type)
            if len(enough) == len(shares):
                break
        return any_found

    def _slots(self, vertex: Vertex, slots: tuple[Need, ...], found: Found) -> None:
        """Fill slots greedily from whole vertices below `vertex`."""
        (slot,) = slots
        inner = Found()
        if not self._explore(vertex, slot.children, False, True, inner, slot.count.most):
            return
        for tally in list(inner.tallies.values()):
            tally.choose(tally.qualified, self.scorer.sort_slot)
        sizes = [child.count.choose(inner.qualified(child.type)) for child in slot.children]
        lists = [inner.of(child.type).groups for child in slot.children]
        number = min((_shares(groups, size) for groups, size in zip(lists, sizes, strict=True)), default=0)
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
                    have += part.edges[0][2]
            group.label = slot.label
            found.of(SLOT).add(group)

    # -- order and marks --

    def _out(self, vertex: Vertex) -> list[Vertex]:
        if not self.graph.links:
            return vertex.kids
        others = [kid for table in self.graph.links.values() for kid in table.get(vertex.index, ())]
        return vertex.kids + others

    def kids_by_weight(self, vertex: Vertex) -> list[Vertex]:
        """Return the children in the order in which an early-stopping policy looks at them."""
        order = self._order.get(vertex.index)
        if order is None:
            weights, source = self.weights, vertex.index
            order = sorted(
                self.graph.out(vertex, self.subsystem),
                key=lambda kid: (weights.get((source, kid.index), UNUSED_WEIGHT), kid.uniq_id),
                reverse=True,
            )
            self._order[source] = order
        return order

    def weigh(self, vertex: Vertex, kid: Vertex, weight: int) -> None:
        """Set the weight of an edge after something below it was allocated."""
        self.weights[vertex.index, kid.index] = weight
        self._order.pop(vertex.index, None)

    def graph_changed(self) -> None:
        """Forget what was derived from the graph's relations."""
        self._order.clear()
        self._above = None

    def _parent(self, vertex: Vertex) -> Vertex | None:
        if self.subsystem == CONTAINMENT:
            return vertex.parent
        if self._above is None:
            self._above = {}
            for source, kids in self.graph.links.get(self.subsystem, {}).items():
                above = self.graph.vertices[source]
                assert above is not None
                for kid in kids:
                    self._above.setdefault(kid.index, above)
        return self._above.get(vertex.index)

    def _take(self, found: Found, under: Vertex | None) -> None:
        """Mark what was chosen, with the levels between it and `under` (None: up to the root) that the
        request left out.
        """
        marks = self.marks
        for tally in found.tallies.values():
            if not tally.wanted:
                continue
            for group in tally.groups[: tally.chosen]:
                if group.root:
                    continue
                for parent, kid, units, exclusive in group.edges:
                    marks[parent.index, kid.index] = (units, exclusive)
                    if parent is not under:
                        self._take_between(parent, under, found)

    def _take_between(self, vertex: Vertex, under: Vertex | None, found: Found) -> None:
        """Mark a level that was left out, and those above it: shared, and whole."""
        parent = self._parent(vertex)
        while parent is not None:
            key = (parent.index, vertex.index)
            if key in self.marks:
                return
            tally = found.tallies.get(vertex.type)
            if tally is not None and not tally.wanted:
                self.marks[key] = (vertex.size, False)
            if parent is under:
                return
            vertex, parent = parent, self._parent(parent)


def _shares(groups: Sequence[Group], size: int) -> int:
    if size == 0:
        return 0
    share = _Share(size)
    for group in groups:
        share.add(group.edges[0][2])
    return share.shares
