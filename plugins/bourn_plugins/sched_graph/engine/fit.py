"""What of a request fits into a state, and where: memoised on the state, so that it's worked out once
for all equals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.model.bits import bits_of, lowest
from bourn_plugins.sched_graph.engine.pick import Pick, count, join, merge
from bourn_plugins.sched_graph.engine.states import State
from bourn_plugins.sched_graph.request import SLOT, orders, repeated, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn_plugins.sched_graph.engine.states import Shape
    from bourn_plugins.sched_graph.request import Need


class Slot:
    """One slot in a subtree: its score by ids, and what it takes."""

    __slots__ = ("pick", "score")

    def __init__(self, score: int, pick: Pick) -> None:
        self.score = score
        self.pick = pick


class Fitter:
    """Answers for one policy: `high` says whether higher sums of ids are better, `prefer` returns the key of
    a state, the smallest first, or None where all are alike: of a node's sockets or NUMA domains, say.
    """

    def __init__(
        self,
        high: bool,
        whole_types: frozenset[str] = frozenset(),
        prefer: Callable[[State], Any] = lambda state: None,
    ) -> None:
        self.high = high
        self.prefer = prefer
        self.whole_types = whole_types

    def fit(self, state: State, need: Need, exclusive: bool) -> Pick | None:
        """Return how a vertex in `state` satisfies one of `need`, or None."""
        key = (need.kind, exclusive)
        memo = state.memo
        if key in memo:
            found: Pick | None = memo[key]
            return found
        pick = self._fit(state, need, exclusive)
        state.keep(key, pick)
        return pick

    def _fit(self, state: State, need: Need, exclusive: bool) -> Pick | None:
        exclusive = exclusive or bool(need.exclusive)
        if state.taken or (exclusive and not state.idle):
            return None
        whole = bool(need.exclusive) or need.type in self.whole_types
        if whole and not state.idle:
            return None
        pick = self.children(state, need.children, exclusive)
        if pick is None:
            return None
        if whole or (exclusive and not need.children):
            return Pick(True, True, _none(state.shape), (), pick.slots)
        return Pick(exclusive, False, pick.leaves, pick.kids, pick.slots)

    def children(self, state: State, needs: tuple[Need, ...], exclusive: bool) -> Pick | None:
        """Return how `needs` are met by what a subtree contains, or None."""
        split = rounds(needs)
        if len(split) == 1:
            return self._children(state, needs, exclusive)
        apart = repeated(needs)
        for order in orders(split):
            left, picks = state, []
            for each in order:
                pick = self._children(left, each, exclusive)
                if pick is None:
                    break
                picks.append(pick)
                left = without(left, pick.leaves, dict(pick.kids), apart)
            else:
                return join(*picks)
        return None

    def _children(self, state: State, needs: tuple[Need, ...], exclusive: bool) -> Pick | None:
        shape = state.shape
        leaves = [0] * len(shape.leaf_types)
        kids: dict[int, Pick] = {}
        filled: dict[str, int] = {}
        for need in needs:
            if need.type == SLOT:
                left = without(state, leaves, kids) if kids or any(leaves) else state
                slots = self.slots(left, need)
                wanted = need.count.choose(len(slots))
                if wanted == 0:
                    return None
                for slot in slots[:wanted]:
                    merge(leaves, kids, filled, slot.pick)
                continue
            place = shape.leaf_index.get(need.type)
            if place is not None:
                if need.children:
                    return None
                mask = take(state.free[place] & ~leaves[place], shape.sizes[place], need)
                if mask is None:
                    return None
                if exclusive or need.exclusive:
                    leaves[place] |= mask
                continue
            if need.type not in shape.kid_types and len(needs) > 1:
                if not self._beside(state, need, needs, exclusive, kids):
                    return None
                continue
            options = self._kids(state, need, exclusive, kids)
            wanted = need.count.choose(len(options))
            if wanted == 0:
                return None
            for i, pick in options[:wanted]:
                if not pick.empty:
                    kids[i] = pick
                    count(filled, pick)
        return Pick(exclusive, False, tuple(leaves), tuple(sorted(kids.items(), key=_place)), filled)

    def _beside(
        self,
        state: State,
        need: Need,
        siblings: tuple[Need, ...],
        exclusive: bool,
        kids: dict[int, Pick],
    ) -> bool:
        """Meet a need with what lies beside a slot, where the level that both lie in was left out: a node's
        sockets, say.
        """
        slot = next((each for each in siblings if each.type == SLOT), None)
        if slot is None or need.children or _hosts(state.shape, slot):
            return False
        options: list[tuple[int, int, int, int, int]] = []
        for i, kid in enumerate(state.kids):
            place = kid.shape.leaf_index.get(need.type)
            if place is None or kid.taken or not _hosts(kid.shape, slot):
                continue
            ids, sizes = kid.shape.ids[place], kid.shape.sizes[place]
            options += [(ids[bit], sizes[bit], i, place, bit) for bit in bits_of(kid.free[place])]
        wanted = need.count.choose(sum(units for _, units, *_ in options))
        if wanted == 0:
            return False
        if exclusive or need.exclusive:
            options.sort(key=_id_of, reverse=self.high)
            for _, units, i, place, bit in options:
                if wanted <= 0:
                    break
                wanted -= units
                leaves = list(_none(state.kids[i].shape))
                leaves[place] = 1 << bit
                part = Pick(False, False, tuple(leaves), ())
                kids[i] = join(kids[i], part) if i in kids else part
        return True

    def _kids(
        self, state: State, need: Need, exclusive: bool, taken: dict[int, Pick]
    ) -> list[tuple[int, Pick]]:
        options: list[tuple[int, Pick]] = []
        for i, kid in enumerate(state.kids):
            if kid.shape.type == need.type and i not in taken:
                pick = self.fit(kid, need, exclusive)
                if pick is not None:
                    options.append((i, pick))
        return options

    def slots(self, state: State, slot: Need) -> list[Slot]:
        """Return the slots that a subtree has, best first; together they can all be taken."""
        found: list[Slot] | None = state.memo.get(slot.kind)
        if found is None:
            found = [] if state.taken else self._slots(state, slot)
            state.keep(slot.kind, found)
        return found

    def first_slots(self, state: State, slot: Need, number: int) -> Pick:
        """Return what takes the first slots of a subtree that has as many."""
        found = self.slots(state, slot)
        if number == 1:
            return found[0].pick
        key = (slot.kind, number)
        pick: Pick | None = state.memo.get(key)
        if pick is None:
            pick = join(*(each.pick for each in found[:number]))
            state.keep(key, pick)
        return pick

    def _slots(self, state: State, slot: Need) -> list[Slot]:
        shape = state.shape
        if _hosts(shape, slot):
            return self._fill(state, slot)
        groups: dict[Any, list[Slot]] = {}
        # Of equal scores the first of the graph comes first, also where the policy turns the order around.
        places = range(len(state.kids))
        for i in reversed(places) if self.high else places:
            inside = self.slots(state.kids[i], slot)
            if inside:
                groups.setdefault(self.prefer(state.kids[i]), []).extend(
                    Slot(inner.score, Pick(False, False, _none(shape), ((i, inner.pick),), inner.pick.slots))
                    for inner in inside
                )
        found: list[Slot] = []
        for key in sorted(groups) if len(groups) > 1 else groups:
            found.extend(sorted(groups[key], key=_score, reverse=self.high))
        return found

    def _fill(self, state: State, slot: Need) -> list[Slot]:
        """Fill slots greedily with whole vertices, in order."""
        shape = state.shape
        lists: list[tuple[list[_Part], int]] = []
        for need in slot.children:
            parts = self._parts(state, need)
            wanted = need.count.choose(sum(part[0] for part in parts))
            if wanted == 0:
                return []
            lists.append((parts, wanted))
        found: list[Slot] = []
        places = [0] * len(lists)
        types = [need.type for need in slot.children]
        # What two resources of one type have taken must be told apart: (place, bit of a leaf).
        used: set[tuple[int, int]] | None = set() if len(set(types)) < len(types) else None
        filled = {slot.label: 1}
        while True:
            leaves = list(_none(shape))
            kids: dict[int, Pick] = {}
            score = 1
            for k, (parts, wanted) in enumerate(lists):
                have = 0
                at = places[k]
                while have < wanted:
                    if at >= len(parts):
                        return found
                    units, points, leaf, bits, kid = parts[at]
                    at += 1
                    if used is not None:
                        if (leaf, bits) in used:
                            continue
                        used.add((leaf, bits))
                    have += units
                    score += points
                    if kid is None:
                        leaves[leaf] |= bits
                    else:
                        kids[leaf] = kid
                places[k] = at
            pick = Pick(False, False, tuple(leaves), tuple(sorted(kids.items(), key=_place)), filled)
            found.append(Slot(score, pick))

    def _parts(self, state: State, need: Need) -> list[_Part]:
        """Return (units, score, leaf type or child, bits, pick) of each vertex that can be a part of a
        slot.
        """
        shape = state.shape
        place = shape.leaf_index.get(need.type)
        if place is not None:
            if need.children:
                return []
            ids, sizes = shape.ids[place], shape.sizes[place]
            return [(sizes[i], ids[i] + 2, place, 1 << i, None) for i in bits_of(state.free[place])]
        found: list[_Part] = []
        for i, kid in enumerate(state.kids):
            if kid.shape.type == need.type:
                pick = self.fit(kid, need, True)
                if pick is not None:
                    found.append((kid.shape.size, shape.kids[i][1] + 2, i, 0, pick))
        return found


def _hosts(shape: Shape, slot: Need) -> bool:
    """Whether a slot can be filled from what lies right below a vertex."""
    return bool(slot.children) and all(shape.has_child(child.type) for child in slot.children)


def _id_of(option: tuple[int, ...]) -> int:
    return option[0]


def without(
    state: State, leaves: Sequence[int], kids: Mapping[int, Pick], apart: frozenset[str] = frozenset()
) -> State:
    """Return what a state is when something of it is taken, and of the types `apart` all of a child of which
    something is; it isn't interned.
    """
    return State(
        state.shape,
        False,
        state.taken,
        tuple([free & ~mask for free, mask in zip(state.free, leaves, strict=True)]),
        tuple([_rest(kid, kids[i], apart) if i in kids else kid for i, kid in enumerate(state.kids)]),
    )


def _rest(state: State, pick: Pick, apart: frozenset[str]) -> State:
    if pick.exclusive or pick.whole or state.type in apart:
        return State(state.shape, False, True, state.free, state.kids)
    return without(state, pick.leaves, dict(pick.kids), apart)


_Part = tuple[int, int, int, int, "Pick | None"]


def _score(slot: Slot) -> int:
    return slot.score


def _place(item: tuple[int, Any]) -> int:
    return item[0]


def _none(shape: Shape) -> tuple[int, ...]:
    return (0,) * len(shape.leaf_types)


def take(free: int, sizes: tuple[int, ...], need: Need) -> int | None:
    """Return the mask of the first free vertices whose units meet a need, or None."""
    if sizes and sizes[0] == 1 == sizes[-1] and not any(size != 1 for size in sizes):
        wanted = need.count.choose(free.bit_count())
        return lowest(free, wanted) if wanted else None
    places = bits_of(free)
    wanted = need.count.choose(sum(sizes[i] for i in places))
    if wanted == 0:
        return None
    mask = have = 0
    for i in places:
        if have >= wanted:
            break
        mask |= 1 << i
        have += sizes[i]
    return mask
