"""What a request takes of a subtree, and several such together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn_plugins.sched_graph.engine.states import Shape

_NO_SLOTS: Mapping[str, int] = {}


class Pick:
    """What is taken of a subtree: of each leaf type a mask, of inner children other picks.

    `exclusive`: the vertex itself is the job's alone. `whole`: so is all that it contains. `slots`: how many
    slots it fills, by their labels.
    """

    __slots__ = ("exclusive", "ids", "kids", "leaves", "others", "slots", "twins", "whole")

    def __init__(
        self,
        exclusive: bool,
        whole: bool,
        leaves: tuple[int, ...],
        kids: tuple[tuple[int, Pick], ...],
        slots: Mapping[str, int] | None = None,
    ) -> None:
        self.exclusive = exclusive
        self.whole = whole
        self.leaves = leaves
        self.kids = kids
        self.slots = slots or _NO_SLOTS
        self.ids: dict[str, str] | None = None
        """The idsets of R, by type, once they have been asked for."""
        self.others: dict[str, str] = {}
        """Likewise, of the types that R_lite has no place for."""
        self.twins: dict[Shape, Pick] | None = None
        """The same in engines of other policies, by shape."""

    @property
    def empty(self) -> bool:
        """Whether it takes nothing: what is shared, with nothing exclusive below it, isn't held."""
        return not (self.exclusive or self.whole or self.kids or any(self.leaves))


def count(filled: dict[str, int], pick: Pick) -> None:
    """Add the slots that a pick fills."""
    for label, number in pick.slots.items():
        filled[label] = filled.get(label, 0) + number


def merge(leaves: list[int], kids: dict[int, Pick], filled: dict[str, int], pick: Pick) -> None:
    """Add what a pick takes."""
    count(filled, pick)
    for i, mask in enumerate(pick.leaves):
        leaves[i] |= mask
    for place, kid in pick.kids:
        other = kids.get(place)
        kids[place] = kid if other is None else join(other, kid)


def join(*picks: Pick) -> Pick:
    """Return what takes all of some picks of one vertex."""
    leaves = list(picks[0].leaves)
    kids = dict(picks[0].kids)
    filled = dict(picks[0].slots)
    for pick in picks[1:]:
        merge(leaves, kids, filled, pick)
    return Pick(
        any(pick.exclusive for pick in picks),
        any(pick.whole for pick in picks),
        tuple(leaves),
        tuple(sorted(kids.items(), key=_place)),
        filled,
    )


def _place(item: tuple[int, Any]) -> int:
    return item[0]
