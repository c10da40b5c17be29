"""The flexible walk: sibling slots are alternatives, and the mix that makes the most slots wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.sched_graph.request import SLOT, rounds
from bourn_plugins.sched_graph.walk.tally import Found, Group
from bourn_plugins.sched_graph.walk.walk import Walker

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.request import Need
    from bourn_plugins.sched_graph.resources.graph import Vertex

Counts = tuple[int, ...]


class FlexibleWalker(Walker):
    """As `Walker`, but `[slot a, slot b]` means so many slots, each an a or a b."""

    def _rounds(self, needs: tuple[Need, ...]) -> tuple[tuple[Need, ...], ...]:
        return rounds(needs, flexible=True)

    def _slots_here(self, vertex: Vertex, needs: tuple[Need, ...]) -> tuple[Need, ...]:
        slots = tuple(need for need in needs if need.type == SLOT)
        return slots if any(self._has_all(vertex, slot) for slot in slots) else ()

    def _slots(self, vertex: Vertex, slots: tuple[Need, ...], found: Found) -> None:
        union: dict[str, Need] = {}
        for slot in slots:
            for child in slot.children:
                if self._drawn(child):
                    continue
                widest = union.get(child.type)
                if widest is None or child.count.most > widest.count.most:
                    union[child.type] = child
        inner = Found()
        if not self._explore(vertex, tuple(union.values()), False, True, inner, slots[-1].count.most):
            return
        for tally in list(inner.tallies.values()):
            tally.choose(tally.qualified, self.scorer.sort_slot)
        types = sorted(union)
        have = tuple(inner.qualified(type) for type in types)
        places = dict.fromkeys(types, 0)
        for slot in self._plan(slots, types, have):
            group = Group(1, 1, [])
            for child in slot.children:
                if self._drawn(child):
                    continue
                wanted = child.count.choose(inner.qualified(child.type))
                got = 0
                groups = inner.of(child.type).groups
                while got < wanted:
                    if places[child.type] >= len(groups):
                        return
                    part = groups[places[child.type]]
                    places[child.type] += 1
                    parent, kid, units, _ = part.edges[0]
                    group.edges.append((parent, kid, units, True))
                    group.score += part.score
                    group.draws += part.draws
                    got += units
            group.label = slot.label
            if not self._supply(vertex, slot, group):
                return
            found.of(SLOT).add(group)

    def _plan(self, slots: tuple[Need, ...], types: list[str], have: Counts) -> list[Need]:
        """Return the longest sequence of alternatives that the counts allow; of equals, the first
        listed first.
        """
        memo: dict[Counts, tuple[int, int]] = {}

        def spend(counts: Counts, slot: Need) -> Counts | None:
            left = list(counts)
            for child in slot.children:
                if self._drawn(child):
                    continue
                k = types.index(child.type)
                wanted = child.count.choose(left[k])
                if wanted == 0:
                    return None
                left[k] -= wanted
            return tuple(left)

        # Depth by iteration: the counts of a big node would overrun Python's stack.
        stack = [have]
        while stack:
            counts = stack[-1]
            if counts in memo:
                stack.pop()
                continue
            options = [spend(counts, slot) for slot in slots]
            missing = [option for option in options if option is not None and option not in memo]
            if missing:
                stack.extend(missing)
                continue
            best, choice = -1, -1
            for k, option in enumerate(options):
                if option is not None and memo[option][0] > best:
                    best, choice = memo[option][0], k
            memo[counts] = (best + 1, choice)
            stack.pop()
        result: list[Need] = []
        left: Counts | None = have
        while left is not None and memo[left][1] >= 0:
            slot = slots[memo[left][1]]
            result.append(slot)
            left = spend(left, slot)
        return result
