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
from bourn.broker.overlay.wire import control, first_frame, read_members, value_of
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
    """Keeps a broker of a rank other than 0 linked."""

    def __init__(self, overlay: Overlay) -> None:
        self.rejoin_timeout = overlay.table.connect_timeout
        """How long to look for another ancestor once the parent is lost, in seconds."""
        self._overlay = overlay
        self._joined = False
        """Whether a parent has ever taken this broker in, so that it knows which events it has seen."""

    async def keep(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve a link after the other until the broker ends; `started` with the first.

        Raises BournError where the parent refuses this broker, or can't be reached in time. Stops the broker
        where no ancestor takes it in later.
        """
        overlay, first = self._overlay, True
        if overlay.ending:
            raise BournError(f"rank {overlay.rank} ends before it was linked", errno.EINTR)
        while not overlay.ending:
            try:
                peer, stream, early = await self._find(first)
            except BournError as error:
                if first:
                    raise
                overlay.broker.stop(f"rank {overlay.rank} can't get back into the instance: {error.message}")
                return
            overlay.parent = overlay.peers[peer.rank] = peer
            overlay.broker.router.uplink = peer.rank
            if first:
                task_status.started()
            else:
                log.warning("rank %d is linked to rank %d now", overlay.rank, peer.rank)
                overlay.send_report()
            first = False
            await run_link(peer, stream, early)
            overlay.lost(peer)

    async def _find(self, first: bool) -> Link:
        """Be taken in by the parent or, where that is gone, by the nearest ancestor that will."""
        overlay = self._overlay
        ranks = list(overlay.broker.members.topology.ancestors(overlay.rank))[: 1 if first else None]
        delay, reason = 0.05, BournError(f"rank {ranks[0]} hasn't answered")
        seconds = overlay.table.connect_timeout if first else self.rejoin_timeout
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
            welcome = value_of(packet.payload)
            if packet.topic != "welcome" or not isinstance(welcome, dict):
                raise ProtocolError(f"rank {rank} answers with '{packet.topic:.40}'")
            if not self._joined:
                self._joined, overlay.broker.events.seq = True, int(welcome.get("seq", 0))
            overlay.learn(read_members(welcome.get("members")))
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
            "seq": broker.events.seq if self._joined else None,
            "machines": overlay.machines.all(overlay.census.linked),
            "report": overlay.census.payload(),
        }
