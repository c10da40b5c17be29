"""The overlay of one broker: its links to the parent and the children, and what travels over them."""

from __future__ import annotations

import errno
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import trio

from bourn.broker.events import Event
from bourn.broker.framing import ProtocolError
from bourn.broker.message import NORESPONSE, PRIVATE
from bourn.broker.overlay.admission import Admission
from bourn.broker.overlay.census import ONLINE, Census, Report
from bourn.broker.overlay.machines import Machines, from_payload
from bourn.broker.overlay.peer import HIGH_WATER, Peer
from bourn.broker.overlay.uplink import Uplink
from bourn.broker.overlay.wire import control, read_news, value_of
from bourn.broker.request import Nowhere, Request
from bourn.broker.roles import Role
from bourn.errors import BournError
from bourn.model.idset import mask_ranges, mask_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bourn.broker.broker import Broker
    from bourn.broker.members import Members
    from bourn.broker.overlay.network import Network
    from bourn.broker.overlay.wire import Packet
    from bourn.broker.settings import TbonTable

log = logging.getLogger("bourn.overlay")

EVENTS_KEPT = 256
"""Events that a broker can send again to a child whose link was lost and made anew."""
ERRORS_KEPT = 256
"""Lines that `bourn overlay errors` shows at most."""
SHUTDOWN_SECONDS = 10.0
"""How long the brokers below have to end when the instance does."""

_NOWHERE = Nowhere()
_NOT_LOCAL = ~int(Role.LOCAL)


class Overlay:
    """The tree as this broker sees it. `run` serves until cancelled; `join` comes first, on ranks but 0."""

    def __init__(self, broker: Broker, network: Network, table: TbonTable) -> None:
        self.broker = broker
        self.rank = broker.rank
        self.table = table
        self.parent: Peer | None = None
        self.peers: dict[int, Peer] = {}
        """Every neighbour with a live link, the parent included."""
        self.census = Census(broker.rank)
        self.machines = Machines()
        self.watchers = broker.watchers
        """Called, once a turn, when the census has changed."""
        self.errors: deque[tuple[float, int, str]] = deque(maxlen=ERRORS_KEPT)
        """(loop time, rank, what went wrong with its link)"""
        self.ending = False
        self.network = network
        self.recent: deque[tuple[int, bytes]] = deque(maxlen=EVENTS_KEPT)
        """The last events: number and frame."""
        self._came_by: dict[str, Peer] = {}
        self._went_to: dict[str, set[int]] = {}
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._serving = False
        self.uplink = Uplink(self)
        self._admission = Admission(self)
        self.later = broker.turn.soon
        self._say_where()

    # Life.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Join the parent, then serve the children; `started` once the parent has taken us in.

        Raises BournError where the parent refuses this broker, or can't be reached in time.
        """
        self.broker.events.subscribe("", self._pass_down)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if self.rank:
                    await nursery.start(self.uplink.keep)
                if self._may_serve():
                    await nursery.start(partial(self.network.serve, self._admission.admit))
                nursery.start_soon(self._watch)
                task_status.started()
        finally:
            self.network.close()

    def online(self) -> None:
        """This broker's modules are up."""
        self.census.join(ONLINE)
        self.changed()

    def offline(self) -> None:
        """This broker ends: nothing more is to be sent here."""
        self.census.leave(ONLINE)
        self.changed()

    def learn(self, members: Members, seq: int = 0) -> None:
        """Take note of who belongs to the instance, if that is news, and tell those below.

        `seq`: the number of the last event, where rank 0 was started again and so counts anew.
        """
        broker = self.broker
        if members.version <= broker.members.version:
            return
        if members.life != broker.members.life:
            broker.events.seq = seq
            self.recent.clear()
        broker.become(members)
        self._say_where()
        self.census.leave_out(members.left)
        self.machines.forget(members.left)
        for peer in self.children():
            peer.push(control("members", self.news()))
        if self.rank not in members:
            broker.stop(f"rank {self.rank} has left the instance for good")
        elif self._nursery is not None and self._may_serve():
            self._nursery.start_soon(self._serve_from_now_on)
        self.changed()

    def news(self) -> dict[str, Any]:
        """Return what those below learn of the instance, see `read_news`."""
        return {"seq": self.broker.events.seq, "members": self.broker.members.payload()}

    def _say_where(self) -> None:
        """Give this broker's place in the tree as attributes."""
        tree = self.broker.members.topology
        for name, value in (
            ("tbon.topo", tree.name),
            ("tbon.level", tree.level(self.rank)),
            ("tbon.maxlevel", tree.depth()),
            ("tbon.descendants", sum(1 for _ in tree.subtree(self.rank)) - 1),
        ):
            self.broker.attrs.renew(name, value)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true of the census."""
        while not condition():
            await self._changed.wait()

    async def shut_down(self) -> None:
        """End the brokers below, if the instance ends, and wait for them."""
        if self.rank == 0:
            self._end()
        if self.ending:
            with trio.move_on_after(SHUTDOWN_SECONDS) as limit:
                while self.children():
                    await self._changed.wait()
            if limit.cancelled_caught:
                ranks = mask_text(sum(1 << peer.rank for peer in self.children()))
                log.warning("rank %s didn't end within %g s", ranks, SHUTDOWN_SECONDS)

    async def goodbye(self) -> None:
        """Take leave of the neighbours and hang up."""
        self.ending = True
        for peer in list(self.peers.values()):
            peer.push(control("goodbye"))
        with trio.move_on_after(1):
            for peer in list(self.peers.values()):
                await peer.emptied()
        for peer in list(self.peers.values()):
            peer.leaving = True
            peer.close("this broker ends")

    def _end(self) -> None:
        self.ending = True
        for peer in self.children():
            peer.push(control("shutdown"))

    def children(self) -> list[Peer]:
        """The neighbours below."""
        return [peer for peer in self.peers.values() if peer is not self.parent]

    async def _watch(self) -> None:
        """Say something to whom nothing was said for a while; notice who says nothing."""
        table = self.table
        looked = trio.current_time()
        while True:
            await trio.sleep(table.keepalive)
            now = trio.current_time()
            stood = now - looked - table.keepalive
            looked = now
            if stood > table.keepalive:
                # We were stopped, perhaps all were: what couldn't be heard meanwhile wasn't silence.
                for peer in self.peers.values():
                    peer.heard = min(peer.heard + stood, now)
            if self.census.expire(now):
                self.changed()
            self.uplink.check(now)
            for peer in list(self.peers.values()):
                if now - peer.spoke >= table.keepalive * 0.9 and not peer.out:
                    peer.push(control("keepalive"))
                silent = now - peer.heard
                if silent > table.lost_after:
                    peer.close(f"nothing was heard of it for {silent:.0f} s")
                elif (silent > table.torpid_after) != peer.torpid:
                    self._set_torpid(peer, not peer.torpid, silent)

    def _set_torpid(self, peer: Peer, torpid: bool, silent: float) -> None:
        peer.torpid = torpid
        if torpid:
            log.warning("rank %d is torpid: nothing was heard of it for %.0f s", peer.rank, silent)
        else:
            log.info("rank %d is lively again", peer.rank)
        if peer is not self.parent:
            self.census.set_torpid(peer.rank, torpid)
            self.changed()

    # Neighbours.

    def new_peer(self, rank: int, address: str) -> Peer:
        """Return a neighbour, whose link isn't served yet."""
        table = self.table
        return Peer(
            self,
            rank,
            address,
            now=trio.current_time(),
            max_frame=table.max_frame,
            max_queue=table.max_queue,
        )

    def _may_serve(self) -> bool:
        """Whether to begin to listen: there are to be children, and nobody has begun yet."""
        if self._serving or not self.broker.members.topology.children[self.rank]:
            return False
        self._serving = True
        return True

    async def _serve_from_now_on(self) -> None:
        try:
            await self.network.serve(self._admission.admit)
        except BournError as error:
            log.error("rank %d can't take in the brokers below it: %s", self.rank, error.message)

    # Changes.

    def take_report(self, peer: Peer, report: Report) -> None:
        """Learn who is reached through a child, and what groups they are in."""
        self.census.take(peer.rank, report)
        ranks = frozenset(r for low, high in mask_ranges(report.linked) for r in range(low, high + 1))
        self.broker.router.learn(peer.rank, ranks)
        self.changed()

    def lost(self, peer: Peer) -> None:
        """The link to a neighbour has ended."""
        if self.peers.get(peer.rank) is not peer:
            return  # its successor is there already
        del self.peers[peer.rank]
        above = peer is self.parent
        if above:
            self.parent = None
            self.broker.router.uplink = None
        else:
            self.broker.router.forget(peer.rank)
            until = trio.current_time() + self.table.rejoin_grace
            self.census.drop(peer.rank, left=peer.leaving, until=until)
        if self.uplink.adrift and not above:
            log.info("rank %d has gone another way", peer.rank)
        elif not (peer.leaving or self.ending or peer.rank not in self.broker.members):
            log.error("the link to rank %d was lost: %s", peer.rank, peer.reason)
            self.errors.append((trio.current_time(), peer.rank, peer.reason))
        for client in [client for client, via in self._came_by.items() if via is peer]:
            self.client_gone(client)
        self.changed()

    def changed(self) -> None:
        """The census has changed: tell the parent and whoever watches, at the end of this turn."""
        self.later(self._tell)

    def _tell(self) -> None:
        self.send_report()
        event, self._changed = self._changed, trio.Event()
        event.set()
        for watcher in list(self.watchers):
            watcher()

    def send_report(self) -> None:
        """Tell the parent what the census says."""
        if self.parent is not None:
            news = self.machines.news(self.census.linked)
            if news:
                self.parent.push(control("machines", news))
            self.parent.push(control("report", self.census.payload()))

    # Messages.

    def forward(self, request: Request, rank: int) -> None:
        """Send a request to a neighbour; EHOSTUNREACH where it has gone."""
        peer = self.peers.get(rank)
        if peer is None:
            request.error(errno.EHOSTUNREACH, f"rank {rank} can't be reached")
            return
        client = request.client
        if client.startswith("module:") and "@" not in client:
            request.client = f"{client}@{self.rank}"
        elif client:
            self._went_to.setdefault(client, set()).add(rank)
        peer.ask(request)
        if len(peer.out) > HIGH_WATER:
            session = self.broker.sessions.get(client)
            if session is not None:
                session.jam = peer

    def request_from(self, peer: Peer, packet: Packet) -> None:
        """Serve a request, or pass it on."""
        broker = self.broker
        request = Request(
            packet.topic,
            packet.payload,
            _NOWHERE if packet.flags & NORESPONSE else peer,
            userid=packet.userid,
            # Only who is connected to this very broker is local to it.
            rolemask=packet.rolemask & _NOT_LOCAL,
            flags=packet.flags,
            matchtag=packet.matchtag,
            nodeid=packet.nodeid,
            client=packet.client,
        )
        if packet.client:
            self._came_by[packet.client] = peer
        try:
            hop = broker.router.next_hop(
                packet.nodeid,
                has_service=packet.topic in broker.services,
                from_above=peer is self.parent,
            )
        except BournError as error:
            request.error(error.errnum, error.message)
            return
        if hop == self.rank:
            request.payload = value_of(packet.payload)
            broker.services.call(request)
        elif peer is self.parent and hop == peer.rank:
            request.error(errno.EHOSTUNREACH, f"rank {self.rank} has no service for {packet.topic}")
        else:
            self.forward(request, hop)
            to = self.peers.get(hop)
            if to is not None and len(to.out) > HIGH_WATER:
                peer.jam = to

    def event_from(self, peer: Peer, packet: Packet, body: bytes) -> None:
        """Deliver an event here and below."""
        events = self.broker.events
        if peer is not self.parent:
            raise ProtocolError("events come from above")
        if packet.seq <= events.seq:
            return
        if packet.seq != events.seq + 1:
            log.error("events %d-%d were missed", events.seq + 1, packet.seq - 1)
        events.seq = packet.seq
        events.deliver(
            Event(
                packet.topic,
                value_of(packet.payload),
                packet.seq,
                packet.userid,
                packet.rolemask,
                bool(packet.flags & PRIVATE),
                frame=len(body).to_bytes(4, "big") + body,
            )
        )

    def _pass_down(self, event: Event) -> None:
        children = self.children()
        try:
            frame = event.frame
        except ProtocolError as error:
            log.error("event %s isn't sent to other ranks: %s", event.topic, error.message)
            return
        self.recent.append((event.seq, frame))
        for peer in children:
            peer.push(frame)

    def control_from(self, peer: Peer, packet: Packet) -> None:
        """Act on what neighbours tell one another."""
        match packet.topic:
            case "keepalive":
                pass
            case "report" if peer is not self.parent:
                try:
                    report = Report.from_payload(value_of(packet.payload))
                except (ValueError, BournError) as error:
                    raise ProtocolError(f"a bad report: {error}") from None
                self.take_report(peer, report)
            case "members" if peer is self.parent:
                self.learn(*read_news(value_of(packet.payload)))
            case "machines" if peer is not self.parent:
                try:
                    self.machines.take(list(from_payload(value_of(packet.payload))))
                except (ValueError, BournError) as error:
                    raise ProtocolError(f"bad machines: {error}") from None
                self.changed()
            case "adrift" if peer is self.parent:
                self.uplink.parent_says(adrift=bool(value_of(packet.payload)))
            case "goodbye":
                peer.leaving = True
            case "shutdown" if peer is self.parent:
                self._end()
                self.broker.stop("the instance ends")
            case "disconnect":
                client = str((value_of(packet.payload) or {}).get("client", ""))
                if self._came_by.get(client) is peer:
                    self.client_gone(client)
            case _:
                raise ProtocolError(f"no control '{packet.topic:.40}'")

    def client_gone(self, client: str) -> None:
        """Tell the services here, and the ranks that it talked to through this one, that a client has
        gone.
        """
        if self._came_by.pop(client, None) is not None:
            self.broker.client_gone(client)
        for rank in self._went_to.pop(client, ()):
            peer = self.peers.get(rank)
            if peer is not None:
                peer.push(control("disconnect", {"client": client}))

    # What there is to see.

    def stats(self) -> dict[str, Any]:
        """Return the links and what waits in them."""
        now = trio.current_time()
        return {
            "parent": None if self.parent is None else self.parent.rank,
            "links": [_row(peer, now) for peer in self.peers.values()],
        }


def _row(peer: Peer, now: float) -> dict[str, Any]:
    return {
        "rank": peer.rank,
        "address": peer.address,
        "up": round(now - peer.since, 3),
        "silent": round(now - peer.heard, 3),
        "torpid": peer.torpid,
        "queued": len(peer.out),
    }
