"""The overlay of one broker: its links to the parent and the children, and what travels over them."""

from __future__ import annotations

import errno
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import trio

from bourn._version import __version__
from bourn.broker.events import Event
from bourn.broker.framing import ProtocolError
from bourn.broker.members import Members
from bourn.broker.message import NORESPONSE, PRIVATE
from bourn.broker.overlay.census import ONLINE, Census, Report
from bourn.broker.overlay.link import run_link
from bourn.broker.overlay.machines import Machines, from_payload
from bourn.broker.overlay.network import Refused
from bourn.broker.overlay.peer import HIGH_WATER, Peer
from bourn.broker.overlay.reasons import explain
from bourn.broker.overlay.wire import control, first_frame, refusal, value_of
from bourn.broker.request import Nowhere, Request
from bourn.broker.roles import Role
from bourn.errors import BournError
from bourn.model.idset import mask_ranges, mask_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bourn.broker.broker import Broker
    from bourn.broker.overlay.network import Network
    from bourn.broker.overlay.wire import Packet
    from bourn.broker.settings import TbonTable

log = logging.getLogger("bourn.overlay")

EVENTS_KEPT = 256
"""Events that a broker can send again to a child whose link was lost and made anew."""
ERRORS_KEPT = 256
"""Lines that `bourn overlay errors` shows at most."""
GREET_SECONDS = 5.0
"""How long an ancestor has to take this broker in before the next one is asked."""
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
        self.rejoin_timeout = table.connect_timeout
        """How long to look for another ancestor once the parent is lost, in seconds."""
        self.network = network
        self._joined = False
        """Whether a parent has ever taken this broker in, so that it knows which events it has seen."""
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=EVENTS_KEPT)
        self._came_by: dict[str, Peer] = {}
        self._went_to: dict[str, set[int]] = {}
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._serving = False
        self.later = broker.turn.soon
        broker.events.subscribe("", self._pass_down)
        self._say_where()

    # Life.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Join the parent, then serve the children; `started` once the parent has taken us in.

        Raises BournError where the parent refuses this broker, or can't be reached in time.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if self.rank:
                    await nursery.start(self._keep_uplink)
                if self._may_serve():
                    await nursery.start(partial(self.network.serve, self.admit))
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

    def learn(self, members: Members) -> None:
        """Take note of who belongs to the instance, if that is news, and tell those below."""
        broker = self.broker
        if members.version <= broker.members.version:
            return
        broker.become(members)
        self._say_where()
        self.census.leave_out(members.left)
        frame = control("members", members.payload())
        for peer in self._children():
            peer.push(frame)
        if self.rank not in members:
            broker.stop(f"rank {self.rank} has left the instance for good")
        elif self._nursery is not None and self._may_serve():
            self._nursery.start_soon(self._serve_from_now_on)
        self.changed()

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
                while self._children():
                    await self._changed.wait()
            if limit.cancelled_caught:
                ranks = mask_text(sum(1 << peer.rank for peer in self._children()))
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
        for peer in self._children():
            peer.push(control("shutdown"))

    def _children(self) -> list[Peer]:
        return [peer for peer in self.peers.values() if peer is not self.parent]

    async def _watch(self) -> None:
        """Say something to whom nothing was said for a while; notice who says nothing."""
        table = self.table
        while True:
            await trio.sleep(table.keepalive)
            now = trio.current_time()
            if self.census.expire(now):
                self.changed()
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

    # The link to the parent.

    async def _keep_uplink(self, *, task_status: trio.TaskStatus[None]) -> None:
        first = True
        if self.ending:
            raise BournError(f"rank {self.rank} ends before it was linked", errno.EINTR)
        while not self.ending:
            try:
                peer, stream, early = await self._find_parent(first)
            except BournError as error:
                if first:
                    raise
                self.broker.stop(f"rank {self.rank} can't get back into the instance: {error.message}")
                return
            self.parent = self.peers[peer.rank] = peer
            self.broker.router.uplink = peer.rank
            if first:
                task_status.started()
            else:
                log.warning("rank %d is linked to rank %d now", self.rank, peer.rank)
                self._send_report()
            first = False
            await run_link(peer, stream, early)
            self._lost(peer)

    async def _find_parent(self, first: bool) -> tuple[Peer, trio.abc.Stream, bytes]:
        """Be taken in by the parent or, where that is gone, by the nearest ancestor that will."""
        ranks = list(self.broker.members.topology.ancestors(self.rank))[: 1 if first else None]
        delay, reason = 0.05, BournError(f"rank {ranks[0]} hasn't answered")
        seconds = self.table.connect_timeout if first else self.rejoin_timeout
        with trio.move_on_after(seconds):
            while not self.ending:
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
        given_up = "" if self.ending else f" (given up after {seconds:g} s)"
        raise BournError(f"{reason.message}{given_up}", errno.ETIMEDOUT)

    async def _greet(self, rank: int) -> tuple[Peer, trio.abc.Stream, bytes]:
        """Ask one ancestor. A host that is cut off doesn't even refuse: the next one mustn't wait for it."""
        seconds = max(GREET_SECONDS, 3 * self.table.keepalive)
        with trio.move_on_after(seconds):
            return await self._ask_to_join(rank)
        raise BournError(f"rank {rank} hasn't answered within {seconds:g} s", errno.ETIMEDOUT)

    async def _ask_to_join(self, rank: int) -> tuple[Peer, trio.abc.Stream, bytes]:
        stream = await self.network.dial(rank)
        try:
            hello = {
                "version": __version__,
                "instance": self.broker.members.instance,
                "rank": self.rank,
                "host": self.broker.attrs.get("hostname", ""),
                "seq": self.broker.events.seq if self._joined else None,
                "machines": self.machines.all(self.census.linked),
                "report": self.census.payload(),
            }
            await stream.send_all(control("hello", hello))
            packet, early = await first_frame(stream)
            if packet.topic == "error":
                kind = BournError if packet.errnum == errno.EAGAIN else Refused
                raise kind(f"rank {rank} refuses rank {self.rank}: {packet.errstr}", packet.errnum)
            welcome = value_of(packet.payload)
            if packet.topic != "welcome" or not isinstance(welcome, dict):
                raise ProtocolError(f"rank {rank} answers with '{packet.topic:.40}'")
            if not self._joined:
                self._joined, self.broker.events.seq = True, int(welcome.get("seq", 0))
            self.learn(_members_of(welcome.get("members")))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            await trio.aclose_forcefully(stream)
            reason, hopeless = explain(error)
            kind = Refused if hopeless else BournError
            raise kind(f"rank {rank} won't have us: {reason}", errno.ECONNRESET) from None
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
            raise
        return self._peer(rank, "parent"), stream, early

    def _peer(self, rank: int, address: str) -> Peer:
        table = self.table
        return Peer(
            self,
            rank,
            address,
            now=trio.current_time(),
            max_frame=table.max_frame,
            max_queue=table.max_queue,
        )

    # Links from children.

    def _may_serve(self) -> bool:
        """Whether to begin to listen: there are to be children, and nobody has begun yet."""
        if self._serving or not self.broker.members.topology.children[self.rank]:
            return False
        self._serving = True
        return True

    async def _serve_from_now_on(self) -> None:
        try:
            await self.network.serve(self.admit)
        except BournError as error:
            log.error("rank %d can't take in the brokers below it: %s", self.rank, error.message)

    async def admit(self, stream: trio.abc.Stream, address: str) -> None:
        """Hear out who has connected; serve it as a child until it goes, or refuse it."""
        peer: Peer | None = None
        try:
            with trio.move_on_after(self.table.connect_timeout) as limit:
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
            peer = self._adopt(hello, address)
        except ProtocolError as error:
            log.warning("refused %s: %s", address, error.message)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            log.warning("refused %s: %s", address, error.__cause__ or "it hung up")
        if peer is not None:
            await run_link(peer, stream, early)
            self._lost(peer)

    async def _objection(self, packet: Packet, hello: Any, stream: trio.abc.Stream) -> BournError | None:
        if packet.topic != "hello" or not isinstance(hello, dict):
            return BournError("a broker says hello first", errno.EPROTO)
        rank, version, seq = hello.get("rank"), hello.get("version"), hello.get("seq")
        members, host = self.broker.members, hello.get("host")
        if version != __version__:
            return BournError(f"it is Bourn {version}, this is Bourn {__version__}", errno.EPROTONOSUPPORT)
        if not isinstance(rank, int) or rank < 0:
            return BournError(f"there is no rank {rank!r} in this instance", errno.EINVAL)
        if not isinstance(seq, int | None):
            return BournError(f"rank {rank} sends no number of an event", errno.EPROTO)
        if hello.get("instance") != members.instance:
            return BournError(f"rank {rank} is of another instance", errno.EPERM)
        if rank >= members.next:
            return BournError(f"there is no rank {rank} in this instance yet", errno.EAGAIN)
        if rank not in members:
            return BournError(str(members.objection(rank)), errno.EINVAL)
        text = self.network.vouch(stream, rank)
        if text is not None:
            return BournError(text, errno.EPERM)
        if rank == self.rank or self.rank not in members.topology.ancestors(rank):
            return BournError(f"rank {rank} doesn't belong below rank {self.rank}", errno.EINVAL)
        if members.hosts and members.hosts[rank] != host:
            return BournError(f"rank {rank} is host '{members.hosts[rank]}' here, not '{host}'", errno.EPERM)
        if self.ending:
            return BournError("this broker ends", errno.EAGAIN)
        old = self.peers.get(rank)
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
        await trio.sleep(self.table.keepalive * 1.5)
        if not old.closed and old.heard != heard:
            return True
        old.close("it was started again")
        return False

    def _adopt(self, hello: dict[str, Any], address: str) -> Peer:
        rank, seq = int(hello["rank"]), hello.get("seq")
        peer = self.peers[rank] = self._peer(rank, address)
        welcome = {
            "rank": self.rank,
            "seq": self.broker.events.seq,
            "members": self.broker.members.payload(),
        }
        peer.push(control("welcome", welcome))
        for number, frame in self._recent:
            if seq is not None and number > seq:
                peer.push(frame)
        log.info("rank %d is linked, from %s", rank, address)
        self.machines.take(hello["machines"])
        self._take_report(peer, hello["report"])
        return peer

    # Changes.

    def _take_report(self, peer: Peer, report: Report) -> None:
        self.census.take(peer.rank, report)
        ranks = frozenset(r for low, high in mask_ranges(report.linked) for r in range(low, high + 1))
        self.broker.router.learn(peer.rank, ranks)
        self.changed()

    def _lost(self, peer: Peer) -> None:
        if self.peers.get(peer.rank) is not peer:
            return  # its successor is there already
        del self.peers[peer.rank]
        if peer is self.parent:
            self.parent = None
            self.broker.router.uplink = None
        else:
            self.broker.router.forget(peer.rank)
            until = trio.current_time() + self.table.rejoin_grace
            self.census.drop(peer.rank, left=peer.leaving, until=until)
        if not (peer.leaving or self.ending or peer.rank not in self.broker.members):
            log.error("the link to rank %d was lost: %s", peer.rank, peer.reason)
            self.errors.append((trio.current_time(), peer.rank, peer.reason))
        for client in [client for client, via in self._came_by.items() if via is peer]:
            self.client_gone(client)
        self.changed()

    def changed(self) -> None:
        """The census has changed: tell the parent and whoever watches, at the end of this turn."""
        self.later(self._tell)

    def _tell(self) -> None:
        self._send_report()
        event, self._changed = self._changed, trio.Event()
        event.set()
        for watcher in list(self.watchers):
            watcher()

    def _send_report(self) -> None:
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
        children = self._children()
        try:
            frame = event.frame
        except ProtocolError as error:
            log.error("event %s isn't sent to other ranks: %s", event.topic, error.message)
            return
        self._recent.append((event.seq, frame))
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
                self._take_report(peer, report)
            case "members" if peer is self.parent:
                self.learn(_members_of(value_of(packet.payload)))
            case "machines" if peer is not self.parent:
                try:
                    self.machines.take(list(from_payload(value_of(packet.payload))))
                except (ValueError, BournError) as error:
                    raise ProtocolError(f"bad machines: {error}") from None
                self.changed()
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


def _members_of(payload: Any) -> Members:
    try:
        return Members.from_payload(payload)
    except (ValueError, BournError) as error:
        raise ProtocolError(f"a bad list of members: {error}") from None


def _row(peer: Peer, now: float) -> dict[str, Any]:
    return {
        "rank": peer.rank,
        "address": peer.address,
        "up": round(now - peer.since, 3),
        "silent": round(now - peer.heard, 3),
        "torpid": peer.torpid,
        "queued": len(peer.out),
    }
