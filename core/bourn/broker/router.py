"""Where a message goes next: decisions only, for any number of ranks."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.broker.message import NODE_ANY, NODE_UPSTREAM
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.members import Members


class Router:
    """Decides the next hop of a request on one rank.

    It knows the neighbour above, if there is one, and which ranks are reached through each neighbour below;
    both change as brokers come, go, and are taken in by an ancestor of a parent that was lost.
    """

    __slots__ = ("_below", "_via", "members", "rank", "uplink")

    def __init__(self, rank: int, members: Members) -> None:
        self.rank = rank
        self.members = members
        """Who belongs to the instance; replaced when that changes."""
        self.uplink: int | None = None
        """The rank above, while there is a link to it."""
        self._below: dict[int, frozenset[int]] = {}
        self._via: dict[int, int] = {}

    def learn(self, child: int, ranks: frozenset[int]) -> None:
        """Take a child's word for who is reached through it; the last word about a rank counts."""
        old = self._below.get(child, frozenset())
        self._below[child] = ranks
        for rank in old - ranks:
            if self._via.get(rank) == child:
                del self._via[rank]
        for rank in ranks - old:
            self._via[rank] = child

    def forget(self, child: int) -> None:
        """The link to a child is gone."""
        self.learn(child, frozenset())
        del self._below[child]
        for other, ranks in self._below.items():
            for rank in ranks - self._via.keys():
                self._via[rank] = other

    def next_hop(self, nodeid: int, *, has_service: bool, from_above: bool = False) -> int:
        """Return the rank to hand a request to: this one, its parent or a child.

        A request for any node is served by the first broker on the way to rank 0 that has the service. One
        for the upstream travels on from there as a request for any node. What came from above never goes up
        again. Raises EHOSTUNREACH.
        """
        if nodeid == NODE_ANY:
            if has_service or self.rank == 0:
                return self.rank
            return self._up()
        if nodeid == NODE_UPSTREAM:
            if self.rank == 0:
                raise BournError("rank 0 has no broker upstream", errno.EHOSTUNREACH)
            return self._up()
        if nodeid not in self.members:
            raise BournError(str(self.members.objection(nodeid)), errno.EHOSTUNREACH)
        if nodeid == self.rank:
            return self.rank
        hop = self._via.get(nodeid)
        if hop is not None:
            return hop
        if self.rank == 0 or from_above:
            raise BournError(f"rank {nodeid} can't be reached: it is offline or lost", errno.EHOSTUNREACH)
        return self._up()

    def _up(self) -> int:
        if self.uplink is None:
            raise BournError(f"rank {self.rank} has no link to a parent at present", errno.EHOSTUNREACH)
        return self.uplink
