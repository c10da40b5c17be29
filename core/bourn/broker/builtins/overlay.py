"""Service `overlay`: the tree of brokers, as it should be and as it is."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.builtins.base import Builtin
from bourn.broker.growth import invite, release, take
from bourn.broker.module import ANYONE, LATER, method
from bourn.broker.overlay.census import TORPID
from bourn.broker.overlay.health import statuses
from bourn.errors import BournError
from bourn.model.idset import IdSet, mask_text

if TYPE_CHECKING:
    from bourn.broker.request import Later, Request


class OverlayModule(Builtin):
    """Answers for this broker and those below it; rank 0 knows all."""

    @method()
    async def invite(self, request: Request) -> dict[str, Any]:
        """-> what further brokers have to know to be the next ranks, see `growth.invite`. Rank 0."""
        return await invite(self.broker)

    @method()
    def take(self, request: Request) -> None:
        """`{cards: {rank: card}}`: take in brokers that were invited. Rank 0."""
        cards = request.get("cards", dict)
        for rank, card in cards.items():
            words = [card.get(key) for key in ("hostname", "cert")] if isinstance(card, dict) else []
            if not rank.isdecimal() or not words or not all(isinstance(word, str) for word in words):
                raise BournError(f"{request.topic}: '{rank}' has no card of a broker: {card!r:.60}")
        take(self.broker, {int(rank): card for rank, card in cards.items()})

    @method()
    def release(self, request: Request) -> None:
        """`{ranks}`, an idset: have brokers end and leave the instance for good. Rank 0."""
        release(self.broker, IdSet(request.get("ranks", str)))

    @method(allow=ANYONE)
    def topology(self, request: Request) -> dict[str, Any]:
        """-> `{version, instance, topology, parents, hosts}`: the parent of each rank, -1 for rank 0 and -2
        for one that has left; the host of each, as a hostlist.
        """
        return self.broker.members.payload()

    @method(allow=ANYONE)
    def status(self, request: Request) -> dict[str, Any]:
        """-> `{rank, status, statuses: {state: idset}, torpid, online, astray, lost}`; see
        `health.statuses`.
        """
        tree, overlay = self.broker.members.topology, self.broker.overlay
        online = self.broker.online
        lost = 0 if overlay is None else overlay.census.lost
        astray = 0 if overlay is None else overlay.census.astray
        found = statuses(tree, online, lost, astray)
        ranks: dict[str, int] = {}
        for rank in tree.subtree(self.broker.rank):
            ranks[found[rank]] = ranks.get(found[rank], 0) | 1 << rank
        return {
            "rank": self.broker.rank,
            "status": found[self.broker.rank],
            "statuses": {state: mask_text(mask) for state, mask in sorted(ranks.items())},
            "torpid": "" if overlay is None else mask_text(overlay.census.group(TORPID)),
            "online": mask_text(online),
            "astray": mask_text(astray),
            "lost": mask_text(lost),
        }

    @method(allow=ANYONE)
    def where(self, request: Request) -> dict[str, str]:
        """`{rank}` -> `{state}`: "linked", "astray" (it may be reached another way soon) or "gone"."""
        rank, overlay = request.get("rank", int), self.broker.overlay
        objection = self.broker.members.objection(rank)
        if objection is not None:
            raise BournError(f"overlay.where: {objection}")
        mask = 1 << rank
        linked = 1 << self.broker.rank if overlay is None else overlay.census.linked
        if linked & mask:
            return {"state": "linked"}
        astray = overlay is not None and overlay.census.astray & mask
        return {"state": "astray" if astray else "gone"}

    @method(allow=ANYONE)
    def errors(self, request: Request) -> dict[str, Any]:
        """-> `{errors: [{rank, ago, reason}...]}`: links of this broker that were lost, oldest first."""
        overlay = self.broker.overlay
        now = trio.current_time()
        found = [] if overlay is None else overlay.errors
        return {"errors": [{"rank": rank, "ago": now - t, "reason": text} for t, rank, text in found]}

    @method(streaming=True)
    def machines(self, request: Request) -> Later:
        """-> `{machines}` (`bourn.broker.overlay.machines`) of this rank and those below, now and at each
        change.
        """
        broker, seen = self.broker, -1
        watchers = broker.watchers

        def tell() -> None:
            nonlocal seen
            machines = None if broker.overlay is None else broker.overlay.machines
            changes = 0 if machines is None else machines.changes
            if changes != seen:
                seen = changes
                request.respond({"machines": [] if machines is None else machines.payload()})

        watchers.append(tell)
        request.on_cancel = lambda: watchers.remove(tell)
        tell()
        return LATER

    @method()
    def cut(self, request: Request) -> None:
        """`{rank}`: cut the link to a child; it comes back by itself, if it can. ENOENT."""
        rank = request.get("rank", int)
        overlay = self.broker.overlay
        peer = None if overlay is None else overlay.peers.get(rank)
        if peer is None or (overlay is not None and peer is overlay.parent):
            raise BournError(f"rank {rank} is no child of rank {self.broker.rank}", errno.ENOENT)
        peer.close("an administrator cut the link")

    def stats(self) -> dict[str, object]:
        """Return the links."""
        overlay = self.broker.overlay
        return {} if overlay is None else overlay.stats()
