"""One connected client: its requests in, responses and events out. No I/O here."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Protocol

from bourn.broker.codec import decode_body, encode_frame
from bourn.broker.framing import MAX_FRAME, FrameDecoder, ProtocolError
from bourn.broker.message import CONTROL, NORESPONSE, REQUEST, RESPONSE, STREAMING, Message
from bourn.broker.outqueue import OutQueue
from bourn.broker.request import Nowhere, Request
from bourn.broker.roles import Role
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.broker import Broker
    from bourn.broker.events import Event
    from bourn.broker.overlay.peer import Peer

log = logging.getLogger("bourn.connector")

MAX_QUEUE = 64 << 20
"""Bytes waiting for a client, above which it is dropped, unless configured otherwise."""
MAX_QUEUES = 256 << 20
"""Bytes waiting for all clients, above which the one for which the most wait is dropped."""
_STEP = 1 << 18
_OWNER = int(Role.OWNER)
_NOWHERE = Nowhere()


class Transport(Protocol):
    """Moves a session's bytes."""

    def flush(self) -> None:
        """Send what it can of `Session.out` without blocking, the rest when the client takes it."""

    def abort(self) -> None:
        """Close the connection, now."""


class Session(OutQueue):
    """What the broker knows of one client. It is the origin of the client's requests."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        userid: int,
        rolemask: int,
        transport: Transport,
        *,
        max_frame: int = MAX_FRAME,
        max_queue: int = MAX_QUEUE,
        max_queues: int = MAX_QUEUES,
    ) -> None:
        super().__init__(log, max_frame)
        self.name = name
        self.userid = userid
        self.rolemask = rolemask
        self.jam: Peer | None = None
        """The neighbour that what came from the client waits for; nothing is read meanwhile."""
        self._broker = broker
        self._transport = transport
        self._decoder = FrameDecoder(max_frame)
        self._max_queue = max_queue
        self._max_queues = max_queues
        self._receiving = False
        self._services: dict[str, ClientService] = {}
        self._subscriptions: list[str] = []
        self._last_event = 0

    # What comes in.

    def receive(self, data: bytes | memoryview) -> None:
        """Act on bytes from the client. The caller flushes afterwards. Raises ProtocolError."""
        self._receiving = True
        try:
            for body in self._decoder.feed(data):
                message = decode_body(body)
                if message.type == REQUEST:
                    self._request(message)
                elif message.type == RESPONSE:
                    self._response(message)
                elif message.type == CONTROL:
                    self._control(message)
                else:
                    raise ProtocolError(f"a client can't send a message of type '{message.type:.40}'")
                if self.closed:
                    return
        finally:
            self._receiving = False

    def _request(self, message: Message) -> None:
        flags, matchtag = message.flags, message.matchtag
        if not flags & NORESPONSE and (matchtag <= 0 or matchtag in self._pending):
            raise ProtocolError(f"{message.topic:.80}: matchtag {matchtag} isn't a free positive number")
        self._broker.send(
            Request(
                message.topic,
                message.payload,
                _NOWHERE if flags & NORESPONSE else self,
                userid=self.userid,
                rolemask=self.rolemask,
                flags=flags,
                matchtag=matchtag,
                nodeid=message.nodeid,
                client=self.name,
            )
        )

    def _response(self, message: Message) -> None:
        request = self._answered(message.matchtag, message.errnum)
        if request is None:
            return
        if message.errnum:
            request.error(message.errnum, message.errstr)
        else:
            request.respond(message.payload)

    def _control(self, message: Message) -> None:
        if message.topic != "cancel":
            raise ProtocolError(f"no control '{message.topic:.40}'; there is: cancel")
        request = self._pending.get(message.matchtag)
        if request is not None:
            request.cancel()

    # What goes out.

    def deliver(self, event: Event) -> None:
        """Send an event, once however many of the client's subscriptions it meets."""
        if event.seq == self._last_event or (event.private and not self.rolemask & _OWNER):
            return
        self._last_event = event.seq
        self.push(event.frame)

    def push(self, frame: bytes) -> None:
        """Queue a frame; a client that doesn't take what it asked for is dropped."""
        if self.closed:
            return
        before = len(self.out)
        self.out += frame
        if len(self.out) > self._max_queue:
            self.drop(f"it is too slow: {len(self.out)} bytes wait for it")
            return
        if before // _STEP != len(self.out) // _STEP:
            self._relieve()
        if not (self._receiving or self.closed):
            self._broker.turn.soon(self._transport.flush)

    def _relieve(self) -> None:
        """Drop the slowest clients while more waits for all of them than may."""
        sessions = list(self._broker.sessions.values())
        total = sum(len(session.out) for session in sessions)
        while total > self._max_queues:
            worst = max(sessions, key=lambda session: len(session.out))
            size = len(worst.out)
            worst.drop(f"{total} bytes wait for clients, {size} of them for this one, the slowest")
            total -= size

    def drop(self, reason: str) -> None:
        """Give the client up: one line in the log, no more bytes."""
        if not self.closed:
            log.warning("%s (user %d) dropped: %s", self.name, self.userid, reason)
            self.out.clear()
            self._transport.abort()
            self.close()

    def refuse(self, error: BournError) -> None:
        """Tell the client why the connection is closed."""
        if not self.closed:
            log.warning("%s (user %d) disconnected: %s", self.name, self.userid, error.message)
            self.push(goodbye(error))

    def close(self) -> None:
        """The client has gone: cancel what it waits for, withdraw what it offers, tell the services."""
        if self.closed:
            return
        self.closed = True
        self._cancel_pending()
        for name in list(self._services):
            self.unregister(name)
        self._fail_asked(errno.ECONNRESET, "the client that provided the service has gone")
        for prefix in self._subscriptions:
            self._broker.events.unsubscribe(prefix, self.deliver)
        self._subscriptions.clear()
        self.sent()
        self._broker.disconnected(self)

    # Subscriptions and services of the client's own.

    def subscribe(self, prefix: str) -> None:
        """Have events sent whose topic starts with `prefix`."""
        self._broker.events.subscribe(prefix, self.deliver)
        self._subscriptions.append(prefix)

    def unsubscribe(self, prefix: str) -> None:
        """Undo one `subscribe`."""
        self._broker.events.unsubscribe(prefix, self.deliver)
        self._subscriptions.remove(prefix)

    def register(self, name: str, allow: int) -> None:
        """Make the client a service; EEXIST where there is one of that name."""
        service = ClientService(self, name, allow)
        self._broker.services.add(name, service)
        self._services[name] = service

    def unregister(self, name: str) -> None:
        """Undo `register`."""
        if self._services.pop(name, None) is None:
            raise BournError(f"service '{name}' isn't registered by this client", errno.ENOENT)
        self._broker.services.remove(name)

    def ask(self, request: Request) -> None:
        """Send a request on to the client that provides the service."""
        tag = 0 if request.flags & NORESPONSE else next(self._tags)
        message = Message(
            REQUEST,
            request.topic,
            request.payload,
            tag,
            userid=request.userid,
            rolemask=request.rolemask,
            flags=request.flags & (STREAMING | NORESPONSE),
            client=request.client,
        )
        try:
            frame = encode_frame(message)
        except ProtocolError as error:
            request.error(error.errnum, error.message)
            return
        if tag:
            self._expect(tag, request)
        self.push(frame)


class ClientService:
    """A service that a client provides."""

    def __init__(self, session: Session, name: str, allow: int) -> None:
        self.session = session
        self.name = name
        self.allow = allow

    def handle(self, request: Request) -> None:
        """Send the request on."""
        if not request.rolemask & self.allow:
            request.error(errno.EPERM, f"{request.topic}: not allowed for user {request.userid}")
        else:
            self.session.ask(request)

    def disconnected(self, client: str, request: Request) -> None:
        """Tell the providing client that another one has gone."""
        if client != self.session.name:
            self.session.ask(request)


def goodbye(error: BournError) -> bytes:
    """Return the control frame that tells a client why its connection ends."""
    return encode_frame(Message(CONTROL, "error", errnum=error.errnum, errstr=error.message))
