"""A neighbour in the tree: requests, responses, events and controls to and from it. No I/O here."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Protocol

from bourn.broker.codec import encode_frame
from bourn.broker.framing import MAX_FRAME, FrameDecoder, ProtocolError
from bourn.broker.message import (
    CONTROL,
    EVENT,
    NODE_ANY,
    NODE_UPSTREAM,
    NORESPONSE,
    REQUEST,
    RESPONSE,
    STREAMING,
    Message,
)
from bourn.broker.outqueue import OutQueue
from bourn.broker.overlay.wire import decode_packet, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.overlay.wire import Packet
    from bourn.broker.request import Request

log = logging.getLogger("bourn.overlay")

MAX_QUEUE = 256 << 20
"""Bytes waiting for a neighbour, above which the link is given up."""
HIGH_WATER = 4 << 20
"""Bytes waiting for a neighbour, above which nothing more is read from whoever sends to it."""


class Switch(Protocol):
    """What a peer needs of its overlay."""

    def request_from(self, peer: Peer, packet: Packet) -> None:
        """Route a request that came in."""

    def event_from(self, peer: Peer, packet: Packet, body: bytes) -> None:
        """Take an event that came in."""

    def control_from(self, peer: Peer, packet: Packet) -> None:
        """Act on a control message."""

    def later(self, callback: Callable[[], None]) -> None:
        """Call back at the end of this turn."""


class Peer(OutQueue):
    """One neighbour with a live link. It is the origin of the requests that come from it."""

    def __init__(
        self,
        switch: Switch,
        rank: int,
        address: str,
        *,
        now: float,
        max_frame: int = MAX_FRAME,
        max_queue: int = MAX_QUEUE,
    ) -> None:
        super().__init__(log, max_frame)
        self.rank = rank
        self.address = address
        self.reason = ""
        """Why the link ended."""
        self.leaving = False
        """Whether it said goodbye."""
        self.torpid = False
        self.since = now
        self.heard = now
        """When it was last heard of (the clock of the loop)."""
        self.spoke = now
        """When something was last sent to it."""
        self.jam: Peer | None = None
        """Where what came from it waits for room; nothing is read from it meanwhile."""
        self.wake: Callable[[], None] = _nothing
        """Has the bytes in `out` sent; set by the link."""
        self._abort: Callable[[], None] = _nothing
        self._switch = switch
        self._decoder = FrameDecoder(max_frame)
        self._max_queue = max_queue

    def attach(self, wake: Callable[[], None], abort: Callable[[], None]) -> None:
        """Take the means of the link that serves this peer."""
        self.wake, self._abort = wake, abort
        if self.out:
            wake()

    # What comes in.

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Act on bytes from the neighbour. Raises ProtocolError."""
        switch = self._switch
        for view in self._decoder.feed(data):
            # A message that is passed on keeps pointing into its body.
            body = bytes(view)
            packet = decode_packet(body)
            kind = packet.type
            if kind == RESPONSE:
                self._response(packet)
            elif kind == REQUEST:
                if not packet.flags & NORESPONSE and (
                    packet.matchtag <= 0 or packet.matchtag in self._pending
                ):
                    raise ProtocolError(f"{packet.topic:.80}: matchtag {packet.matchtag} isn't free")
                switch.request_from(self, packet)
            elif kind == EVENT:
                switch.event_from(self, packet, body)
            elif kind != CONTROL:
                raise ProtocolError(f"a message of type '{kind:.40}'")
            elif packet.topic == "cancel":
                request = self._pending.get(packet.matchtag)
                if request is not None:
                    request.cancel()
            else:
                switch.control_from(self, packet)
            if self.closed:
                return

    def _response(self, packet: Packet) -> None:
        request = self._answered(packet.matchtag, packet.errnum)
        if request is None:
            return
        if packet.errnum:
            request.error(packet.errnum, packet.errstr)
        elif isinstance(request.origin, Peer):
            request.respond(packet.payload)
            if len(request.origin.out) > HIGH_WATER:
                self.jam = request.origin
        else:
            request.respond(value_of(packet.payload))

    # What goes out.

    def ask(self, request: Request) -> None:
        """Send a request on its way over this link."""
        tag = 0 if request.flags & NORESPONSE else next(self._tags)
        nodeid = NODE_ANY if request.nodeid == NODE_UPSTREAM else request.nodeid
        try:
            frame = encode_frame(
                Message(
                    REQUEST,
                    request.topic,
                    request.payload,
                    tag,
                    nodeid,
                    request.userid,
                    request.rolemask,
                    request.flags & (STREAMING | NORESPONSE),
                    client=request.client,
                )
            )
            if len(frame) > self._max_frame:
                raise ProtocolError(
                    f"{request.topic}: a message of {len(frame)} bytes exceeds {self._max_frame}",
                    errno.EMSGSIZE,
                )
        except ProtocolError as error:
            request.error(error.errnum, error.message)
            return
        if tag:
            self._expect(tag, request)
        self.push(frame)

    def push(self, frame: bytes) -> None:
        """Queue a frame; a link over which nothing goes out is given up."""
        if self.closed:
            return
        self.out += frame
        if len(self.out) > self._max_queue:
            self.close(f"it is too slow: {len(self.out)} bytes wait for it")
        else:
            self._switch.later(self.wake)

    def close(self, reason: str) -> None:
        """The link has ended: cancel what the neighbour waits for, fail what waits for the neighbour."""
        if self.closed:
            return
        self.closed = True
        self.reason = reason
        self.out.clear()
        self._cancel_pending()
        self._fail_asked(errno.EHOSTUNREACH, f"the link to rank {self.rank} was lost")
        self.sent()
        self._abort()


def _nothing() -> None:
    pass
