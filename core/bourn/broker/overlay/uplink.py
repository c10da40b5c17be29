"""The link of a broker to its parent or, where that is gone, to the nearest ancestor that takes it in."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

import trio

from bourn._version import __version__
from bourn.broker.framing import ProtocolError
from bourn.broker.overlay.link import run_link
from bourn.broker.overlay.network import Refused
from bourn.broker.overlay.reasons import explain
from bourn.broker.overlay.wire import control, first_frame, read_news, value_of
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.overlay.overlay import Overlay
    from bourn.broker.overlay.peer import Peer

    Link = tuple[Peer, trio.abc.Stream, bytes]
    """A neighbour, the stream to it, and bytes that were read from that already."""

log = logging.getLogger("bourn.overlay")

GREET_SECONDS = 5.0
"""How long an ancestor has to take this broker in before the next one is asked."""


class Uplink:
    """Keeps a broker of a rank other than 0 linked.

    One that has no way to rank 0 keeps its children for a while, then tells them that it is adrift; so does a
    child that hears this of its parent and finds no other ancestor. They change the parent only when another
    one takes them in: what is whole stays so while rank 0 itself is away.
    """

    def __init__(self, overlay: Overlay) -> None:
        self.rejoin_timeout = overlay.table.connect_timeout
        """How long to look for another ancestor once the parent is lost, in seconds."""
        self.adrift = False
        """Whether the children have been told that there is no way to rank 0 through this broker."""
        self._overlay = overlay
        self._patience = max(overlay.table.rejoin_grace / 4, overlay.table.keepalive)
        """Seconds without a way to rank 0 before the children are told, and between looks for another
        ancestor: enough is left of the grace for those below to be reached in time.
        """
        self._cut_off: float | None = None
        """Since when there is no way to rank 0 (the clock of the loop)."""
        self._warned = trio.Event()
        """The parent has said that it is adrift."""

    async def keep(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve a link after the other until the broker ends; `started` with the first.

        Raises BournError where the parent refuses this broker, or can't be reached in time. Stops the broker
        where no ancestor takes it in later.
        """
        overlay = self._overlay
        if overlay.ending:
            raise BournError(f"rank {overlay.rank} ends before it was linked", errno.EINTR)
        link: Link | None = await self._find(1, overlay.table.connect_timeout)
        while link is not None:
            peer, stream, early = link
            overlay.parent = overlay.peers[peer.rank] = peer
            overlay.broker.router.uplink = peer.rank
            if self._cut_off is None:
                task_status.started()
            else:
                log.warning("rank %d is linked to rank %d now", overlay.rank, peer.rank)
                overlay.send_report()
            self.parent_says(adrift=False)
            link = await self._serve(peer, stream, early)
            overlay.lost(peer)
            self._cut_off = trio.current_time()
            if link is None and not overlay.ending:
                try:
                    link = await self._find(None, self.rejoin_timeout)
                except BournError as error:
                    reason = f"rank {overlay.rank} can't get back into the instance: {error.message}"
                    overlay.broker.stop(reason)

    async def _serve(self, peer: Peer, stream: trio.abc.Stream, early: bytes) -> Link | None:
        """Serve a link until it ends; return one to another ancestor if it has ended in favour of that."""
        found: Link | None = None

        async def look_elsewhere() -> None:
            nonlocal found
            while found is None:
                await self._warned.wait()
                found = await self._elsewhere(peer.rank)
                if found is None:
                    await trio.sleep(self._patience)
            peer.leaving = True
            peer.close(f"rank {peer.rank} has no way to rank 0")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_elsewhere)
            await run_link(peer, stream, early)
            nursery.cancel_scope.cancel()
        return found

    def parent_says(self, *, adrift: bool) -> None:
        """The parent has no way to rank 0 itself, or has one again."""
        if adrift:
            if self._cut_off is None:
                self._cut_off = trio.current_time()
            self._warned.set()
            return
        self._cut_off, self._warned = None, trio.Event()
        self._tell(adrift=False)

    def check(self, now: float) -> None:
        """Tell the children if there has been no way to rank 0 for too long; called every now and then."""
        if self._cut_off is not None and now - self._cut_off > self._patience:
            self._tell(adrift=True)

    def _tell(self, *, adrift: bool) -> None:
        if adrift != self.adrift:
            self.adrift = adrift
            for peer in self._overlay.children():
                peer.push(control("adrift", adrift))

    async def _elsewhere(self, parent: int) -> Link | None:
        """Be taken in by another ancestor than the parent."""
        for rank in self._overlay.broker.members.topology.ancestors(self._overlay.rank):
            if rank != parent:
                try:
                    return await self._greet(rank)
                except BournError as error:
                    log.info("%s", error.message)
        return None

    async def _find(self, count: int | None, seconds: float) -> Link:
        """Be taken in by the nearest ancestor, of the first `count`, that will."""
        overlay = self._overlay
        ranks = list(overlay.broker.members.topology.ancestors(overlay.rank))[:count]
        delay, reason = 0.05, BournError(f"rank {ranks[0]} hasn't answered")
        with trio.move_on_after(seconds):
            while not overlay.ending:
                for rank in ranks:
                    try:
                        return await self._greet(rank)
                    except Refused:
                        raise
                    except BournError as error:
                        if error.message != reason.message:
                            log.info("%s", error.message)
                        reason = error
                await trio.sleep(delay)
                delay = min(2 * delay, 2.0)
        given_up = "" if overlay.ending else f" (given up after {seconds:g} s)"
        raise BournError(f"{reason.message}{given_up}", errno.ETIMEDOUT)

    async def _greet(self, rank: int) -> Link:
        """Ask one ancestor. A host that is cut off doesn't even refuse: the next one mustn't wait for it."""
        seconds = max(GREET_SECONDS, 3 * self._overlay.table.keepalive)
        with trio.move_on_after(seconds):
            return await self._ask(rank)
        raise BournError(f"rank {rank} hasn't answered within {seconds:g} s", errno.ETIMEDOUT)

    async def _ask(self, rank: int) -> Link:
        overlay = self._overlay
        stream = await overlay.network.dial(rank)
        try:
            await stream.send_all(control("hello", self._hello()))
            packet, early = await first_frame(stream)
            if packet.topic == "error":
                kind = BournError if packet.errnum == errno.EAGAIN else Refused
                raise kind(f"rank {rank} refuses rank {overlay.rank}: {packet.errstr}", packet.errnum)
            if packet.topic != "welcome":
                raise ProtocolError(f"rank {rank} answers with '{packet.topic:.40}'")
            overlay.learn(*read_news(value_of(packet.payload)))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            await trio.aclose_forcefully(stream)
            reason, hopeless = explain(error)
            kind = Refused if hopeless else BournError
            raise kind(f"rank {rank} won't have us: {reason}", errno.ECONNRESET) from None
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
            raise
        return overlay.new_peer(rank, "parent"), stream, early

    def _hello(self) -> dict[str, object]:
        overlay = self._overlay
        broker = overlay.broker
        return {
            "version": __version__,
            "instance": broker.members.instance,
            "rank": overlay.rank,
            "host": broker.attrs.get("hostname", ""),
            "life": broker.members.life,
            "seq": broker.events.seq,
            "machines": overlay.machines.all(overlay.census.linked),
            "report": overlay.census.payload(),
        }
