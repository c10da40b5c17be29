"""Where a message goes next: decisions only, for any number of ranks."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from attrs import field, frozen

from bourn.broker.message import NODE_ANY, NODE_UPSTREAM
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class Tree:
    """The tree `kary:K` over the ranks: the parent of rank r is (r - 1) // K."""

    size: int
    fanout: int = 32

    def parent(self, rank: int) -> int | None:
        """Return the rank above, or None for rank 0."""
        return (rank - 1) // self.fanout if rank else None

    def children(self, rank: int) -> range:
        """Return the ranks directly below."""
        first = rank * self.fanout + 1
        return range(min(first, self.size), min(first + self.fanout, self.size))

    def ancestors(self, rank: int) -> Iterator[int]:
        """Yield the ranks above, nearest first."""
        above = self.parent(rank)
        while above is not None:
            yield above
            above = self.parent(above)


@frozen
class Router:
    """Decides the next hop of a request on one rank."""

    rank: int
    size: int
    fanout: int = 32
    tree: Tree = field(init=False)

    @tree.default
    def _tree(self) -> Tree:
        return Tree(self.size, self.fanout)

    def next_hop(self, nodeid: int, *, has_service: bool) -> int:
        """Return the rank to hand a request to: this one, its parent or a child.

        A request for any node is served by the first broker on the way to rank 0 that has the service. One
        for the upstream travels on from there as a request for any node. Raises EHOSTUNREACH.
        """
        parent = self.tree.parent(self.rank)
        if nodeid == NODE_ANY:
            return self.rank if has_service or parent is None else parent
        if nodeid == NODE_UPSTREAM:
            if parent is None:
                raise BournError("rank 0 has no broker upstream", errno.EHOSTUNREACH)
            return parent
        if not 0 <= nodeid < self.size:
            raise BournError(f"no rank {nodeid}; the instance has {self._ranks()}", errno.EHOSTUNREACH)
        if nodeid == self.rank:
            return self.rank
        below = nodeid
        for above in self.tree.ancestors(nodeid):
            if above == self.rank:
                return below
            below = above
        assert parent is not None, "every rank is below rank 0"
        return parent

    def _ranks(self) -> str:
        return "rank 0 only" if self.size == 1 else f"ranks 0-{self.size - 1}"
