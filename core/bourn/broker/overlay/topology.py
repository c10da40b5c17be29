"""The shape of the tree: who is whose parent when all brokers are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from bourn.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


LEFT = -2
"""In place of its parent: a rank that has left for good, and is no part of the tree."""


@frozen
class Topology:
    """A tree over the ranks 0 to size - 1, rank 0 being the root.

    Attributes:
        parents: the parent of each rank; -1 for rank 0, `LEFT` for one that has no place any more.
        name: how it was asked for.
    """

    parents: tuple[int, ...]
    name: str = "custom"
    children: tuple[tuple[int, ...], ...] = field(init=False, repr=False)
    mask: int = field(init=False, repr=False)
    """The ranks that are in the tree, as a bit mask."""

    @children.default
    def _children(self) -> tuple[tuple[int, ...], ...]:
        below: list[list[int]] = [[] for _ in self.parents]
        for rank, parent in enumerate(self.parents[1:], start=1):
            if parent != LEFT:
                below[parent].append(rank)
        return tuple(tuple(ranks) for ranks in below)

    @mask.default
    def _mask(self) -> int:
        return sum(1 << rank for rank, parent in enumerate(self.parents) if parent != LEFT)

    @property
    def size(self) -> int:
        """How many ranks have ever been given."""
        return len(self.parents)

    def parent(self, rank: int) -> int | None:
        """Return the rank above, or None for rank 0."""
        return self.parents[rank] if rank else None

    def ancestors(self, rank: int) -> Iterator[int]:
        """Yield the ranks above, nearest first."""
        while rank > 0 and (rank := self.parents[rank]) != LEFT:
            yield rank

    def subtree(self, rank: int) -> Iterator[int]:
        """Yield a rank and all below it, parents first."""
        waiting = [rank]
        while waiting:
            top = waiting.pop()
            yield top
            waiting.extend(self.children[top])

    def level(self, rank: int) -> int:
        """Return the number of links between a rank and rank 0."""
        return sum(1 for _ in self.ancestors(rank))

    def with_children(self, rank: int, count: int) -> Topology:
        """Return the tree with so many ranks more, all right below one rank."""
        return Topology((*self.parents, *[rank] * count))

    def depth(self) -> int:
        """Return the highest level."""
        levels = [0] * self.size
        for rank in self.subtree(0):
            for child in self.children[rank]:
                levels[child] = levels[rank] + 1
        return max(levels)


def kary(size: int, fanout: int) -> Topology:
    """Return the complete tree in which each rank has up to `fanout` children; 0: all are rank 0's."""
    if fanout == 0:
        return Topology((-1, *[0] * (size - 1)), "kary:0")
    return Topology((-1, *((rank - 1) // fanout for rank in range(1, size))), f"kary:{fanout}")


def binomial(size: int) -> Topology:
    """Return the binomial tree: a rank's parent is the rank without its lowest bit."""
    return Topology((-1, *(rank & (rank - 1) for rank in range(1, size))), "binomial")


def custom(parents: Sequence[int], size: int) -> Topology:
    """Return the tree in which `parents[r - 1]` is the parent of rank r; ConfigError where it is none."""
    if len(parents) != size - 1:
        raise ConfigError(f"a custom topology of {size} ranks names {size - 1} parents, not {len(parents)}")
    tree = (-1, *parents)
    for rank, parent in enumerate(tree[1:], start=1):
        if not 0 <= parent < size:
            raise ConfigError(f"the parent of rank {rank} can't be rank {parent}: there are 0-{size - 1}")
    good = {0}
    for rank in range(1, size):
        path = []
        while rank not in good:
            if rank in path:
                raise ConfigError(f"rank {rank} would be its own ancestor in this topology")
            path.append(rank)
            rank = tree[rank]
        good.update(path)
    return Topology(tree)


def parse_topology(text: str, size: int) -> Topology:
    """Return the tree that ``kary:K``, ``binomial`` or ``custom:P1,P2,...`` means for `size` ranks.

    Raises ConfigError that says what would be right.
    """
    kind, _, rest = text.partition(":")
    try:
        if kind == "kary":
            fanout = int(rest or "32")
            if fanout < 0:
                raise ValueError
            return kary(size, fanout)
        if kind == "binomial" and not rest:
            return binomial(size)
        if kind == "custom":
            return custom([int(word) for word in rest.split(",") if word], size)
    except ValueError:
        pass
    hint = suggest(kind, ("kary", "binomial", "custom"))
    raise ConfigError(
        f"topology '{text}'{hint}: must be kary:K, binomial or custom:P1,P2,... (the parents of 1, 2, ...)"
    )
