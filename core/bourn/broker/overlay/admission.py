"""Who connects to a broker: heard out, and served as a child or refused."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

import trio

from bourn._version import __version__
from bourn.broker.framing import ProtocolError
from bourn.broker.overlay.census import Report
from bourn.broker.overlay.link import run_link
from bourn.broker.overlay.machines import from_payload
from bourn.broker.overlay.wire import control, first_frame, refusal, value_of
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.overlay.overlay import Overlay
    from bourn.broker.overlay.peer import Peer
    from bourn.broker.overlay.wire import Packet

log = logging.getLogger("bourn.overlay")


class Admission:
    """The door of a broker."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    async def admit(self, stream: trio.abc.Stream, address: str) -> None:
        """Hear out who has connected; serve it as a child until it goes, or refuse it."""
        overlay = self._overlay
        peer: Peer | None = None
        try:
            with trio.move_on_after(overlay.table.connect_timeout) as limit:
                packet, early = await first_frame(stream)
            if limit.cancelled_caught:
                log.warning("refused %s: it says nothing", address)
                return
            hello = value_of(packet.payload)
            objection = await self._objection(packet, hello, stream)
            if objection is not None:
                level = logging.INFO if objection.errnum == errno.EAGAIN else logging.WARNING
                log.log(level, "refused %s: %s", address, objection.message)
                await stream.send_all(refusal(objection.errnum, objection.message))
                return
            peer = self._welcome(hello, address)
        except ProtocolError as error:
            log.warning("refused %s: %s", address, error.message)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            log.warning("refused %s: %s", address, error.__cause__ or "it hung up")
        if peer is not None:
            await run_link(peer, stream, early)
            overlay.lost(peer)

    async def _objection(self, packet: Packet, hello: Any, stream: trio.abc.Stream) -> BournError | None:
        if packet.topic != "hello" or not isinstance(hello, dict):
            return BournError("a broker says hello first", errno.EPROTO)
        overlay = self._overlay
        members, version, rank = overlay.broker.members, hello.get("version"), hello.get("rank")
        if version != __version__:
            return BournError(f"it is Bourn {version}, this is Bourn {__version__}", errno.EPROTONOSUPPORT)
        if not isinstance(rank, int) or rank < 0:
            return BournError(f"there is no rank {rank!r} in this instance", errno.EINVAL)
        if not isinstance(hello.get("seq"), int):
            return BournError(f"rank {rank} sends no number of an event", errno.EPROTO)
        if hello.get("instance") != members.instance:
            return BournError(f"rank {rank} is of another instance", errno.EPERM)
        if rank >= members.next:
            known = "`bourn config reload` at rank 0 makes a longer list of hosts known"
            return BournError(f"there is no rank {rank} in this instance yet: {known}", errno.EAGAIN)
        if rank not in members:
            return BournError(str(members.objection(rank)), errno.EINVAL)
        text = overlay.network.vouch(stream, rank)
        if text is not None:
            return BournError(text, errno.EPERM)
        if rank == overlay.rank or overlay.rank not in members.topology.ancestors(rank):
            return BournError(f"rank {rank} doesn't belong below rank {overlay.rank}", errno.EINVAL)
        host = members.hosts[rank] if members.hosts else hello.get("host")
        if hello.get("host") != host:
            return BournError(f"rank {rank} is host '{host}' here, not '{hello.get('host')}'", errno.EPERM)
        if overlay.ending:
            return BournError("this broker ends", errno.EAGAIN)
        if overlay.uplink.adrift:
            return BournError("this broker has no way to rank 0 itself", errno.EAGAIN)
        old = overlay.peers.get(rank)
        if old is not None and await self._alive(old):
            return BournError(f"rank {rank} is there already, at {old.address}", errno.EEXIST)
        try:
            hello["machines"] = list(from_payload(hello.get("machines") or ()))
            hello["report"] = Report.from_payload(hello.get("report") or {})
        except (ValueError, BournError) as error:
            return BournError(f"rank {rank} sends no report: {error}", errno.EPROTO)
        return None

    async def _alive(self, old: Peer) -> bool:
        """Whether a neighbour still speaks; one that doesn't is given up in favour of its successor."""
        heard = old.heard
        await trio.sleep(self._overlay.table.keepalive * 1.5)
        if not old.closed and old.heard != heard:
            return True
        old.close("it was started again")
        return False

    def _welcome(self, hello: dict[str, Any], address: str) -> Peer:
        overlay = self._overlay
        rank = int(hello["rank"])
        peer = overlay.peers[rank] = overlay.new_peer(rank, address)
        peer.push(control("welcome", overlay.news()))
        if hello.get("life") == overlay.broker.members.life:
            for number, frame in overlay.recent:
                if number > hello["seq"]:
                    peer.push(frame)
        log.info("rank %d is linked, from %s", rank, address)
        overlay.machines.take(hello["machines"])
        overlay.take_report(peer, hello["report"])
        return peer
