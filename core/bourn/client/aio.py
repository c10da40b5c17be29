"""The handle for trio programs.

async with bourn.client.aio.Handle() as h:
    print((await h.rpc("attr.get", {"name": "size"}))["value"])
    async with h.stream("log.dmesg", {"follow": True}) as entries:
        async for batch in entries:
            ...
"""

from __future__ import annotations

import errno
import math
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.framing import MAX_FRAME, FrameDecoder
from bourn.client.handle import Event
from bourn.client.rpc import NORESPONSE, STREAMING, request_message
from bourn.client.service import LATER, ClientRequest, answering, method_of
from bourn.client.transport import connection_error, decode, encode, socket_path
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from types import TracebackType

    from bourn.client.relay import Relay

__all__ = ["LATER", "ClientRequest", "Event", "Events", "Handle", "Responses"]

_Send = trio.MemorySendChannel[Any]


class Handle:
    """A connection to the broker at `uri` (by default BOURN_URI), or over a `stream` that is connected to
    one.

    To be entered with `async with`; any number of tasks may use it at once.
    """

    def __init__(self, uri: str | None = None, *, stream: trio.abc.Stream | None = None) -> None:
        self._uri = uri
        self._given = stream
        self._tags = count(1)
        self._waiting: dict[int, _Send] = {}
        self._listeners: list[tuple[str, _Send]] = []
        self._services: dict[str, Mapping[str, Callable[[ClientRequest], Awaitable[Any]]]] = {}
        self._asked: dict[int, trio.CancelScope] = {}
        self._outgoing: list[bytes] = []
        self._work = trio.Event()
        self._sending = False
        self._idle = trio.Event()
        self._error: BournError | None = None
        self._relay: Relay | None = None

    async def __aenter__(self) -> Handle:
        self._stream = self._given or await self._connect()
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self._nursery.start_soon(self._receive)
        self._nursery.start_soon(self._send_on)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if error is None and self._error is None:
            # Shielded: whatever happens, the nursery below has to be left as well.
            with trio.move_on_after(1, shield=True):
                await self._emptied()
        self._lost(BournError("the handle is closed", errno.EBADF))
        self._nursery.cancel_scope.cancel()
        try:
            return await self._manager.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            # The nursery wraps what the block raised; a caller expects it as it was.
            if error is not None and group.exceptions == (error,):
                raise error from error.__cause__
            raise
        finally:
            await trio.aclose_forcefully(self._stream)
            if self._relay is not None:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(self._relay.reap)

    async def _connect(self) -> trio.abc.Stream:
        path = socket_path(self._uri)
        if path.startswith("ssh://"):
            from bourn.client.relay import Relay

            relay = self._relay = await trio.to_thread.run_sync(Relay, path)
            relay.socket.setblocking(False)
            return trio.SocketStream(trio.socket.from_stdlib_socket(relay.socket))
        try:
            return await trio.open_unix_socket(path)
        except OSError as error:
            raise connection_error(path, error) from None

    # Requests.

    async def rpc(self, topic: str, payload: object = None, nodeid: int = -1) -> Any:
        """Call a service and return the payload of its response; raises RPCError."""
        async with self._request(topic, payload, nodeid, 0) as responses:
            return _payload(topic, await self.received(responses))

    @asynccontextmanager
    async def stream(self, topic: str, payload: object = None, nodeid: int = -1) -> AsyncIterator[Responses]:
        """Call a streaming method; yields an async iterator of payloads. Leaving the block cancels the
        stream.
        """
        async with self._request(topic, payload, nodeid, STREAMING) as responses:
            yield Responses(self, topic, responses)

    def post(self, topic: str, payload: object = None, nodeid: int = -1) -> None:
        """Send a request that wants no response."""
        self._send(request_message(topic, payload, nodeid, NORESPONSE, 0))

    async def attr_get(self, name: str) -> str:
        """Return a broker attribute."""
        return str((await self.rpc("attr.get", {"name": name}))["value"])

    async def attr_set(self, name: str, value: object) -> None:
        """Set a broker attribute."""
        await self.rpc("attr.set", {"name": name, "value": str(value)})

    # Events and services.

    async def event_publish(self, topic: str, payload: object = None, private: bool = False) -> int:
        """Publish an event and return its sequence number."""
        body = {"topic": topic, "payload": payload, "private": private}
        return int((await self.rpc("event.publish", body))["seq"])

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Events]:
        """Receive the events whose topic starts with `topic`, within the block."""
        send, receive = trio.open_memory_channel[Any](math.inf)
        entry = (topic, send)
        self._listeners.append(entry)
        try:
            await self.rpc("event.subscribe", {"topic": topic})
            yield Events(self, receive)
            await self.rpc("event.unsubscribe", {"topic": topic})
        finally:
            self._listeners.remove(entry)

    async def service_register(
        self, name: str, methods: Mapping[str, Callable[[ClientRequest], Awaitable[Any]]], allow: int = 1
    ) -> None:
        """Provide the service `name`: each request runs its method as a task, cancelled if its sender
        cancels.

        A method answers by what it returns, or by a BournError that it raises; of a streaming request it
        responds as often as it likes and returns to end it.
        """
        self._services[name] = methods
        await self.rpc("service.register", {"service": name, "allow": allow})

    # The wire.

    @asynccontextmanager
    async def _request(self, topic: str, payload: object, nodeid: int, flags: int) -> AsyncIterator[Any]:
        matchtag = next(self._tags)
        send, receive = trio.open_memory_channel[Any](math.inf)
        self._waiting[matchtag] = send
        try:
            self._send(request_message(topic, payload, nodeid, flags, matchtag))
            yield receive
        finally:
            if self._waiting.pop(matchtag, None) is not None and self._error is None:
                self._send({"type": "control", "topic": "cancel", "matchtag": matchtag})

    def _send(self, message: dict[str, Any]) -> None:
        if self._error is not None:
            raise self._error
        self._outgoing.append(encode(message))
        self._work.set()

    async def _flush(self) -> None:
        frames, self._outgoing = self._outgoing, []
        if frames:
            await self._stream.send_all(b"".join(frames))

    async def _emptied(self) -> None:
        """Wait until what was to be sent has been, by the one task that sends."""
        while (self._outgoing or self._sending) and self._error is None:
            self._idle = trio.Event()
            await self._idle.wait()

    async def _send_on(self) -> None:
        try:
            while True:
                await self._work.wait()
                self._work = trio.Event()
                self._sending = True
                await self._flush()
                self._sending = False
                self._idle.set()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the receiver sees why

    async def _receive(self) -> None:
        frames = FrameDecoder(max(MAX_FRAME, 1 << 30))
        try:
            while data := await self._stream.receive_some(1 << 16):
                for body in frames.feed(bytes(data)):
                    self._dispatch(decode(body))
            reason = BournError("lost the connection: the instance has ended", errno.ECONNRESET)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            reason = BournError(f"lost the connection: {error}", errno.ECONNRESET)
        except BournError as error:
            reason = error
        self._lost(reason)

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "response":
            waiting = self._waiting.get(message["matchtag"])
            if waiting is not None:
                waiting.send_nowait(message)
                if message.get("errnum"):
                    del self._waiting[message["matchtag"]]
        elif kind == "event":
            event = Event(message["topic"], message.get("payload"), message["seq"])
            for prefix, channel in self._listeners:
                if event.topic.startswith(prefix):
                    channel.send_nowait(event)
        elif kind == "request":
            self._nursery.start_soon(self._serve, ClientRequest(self._answer, message))
        elif message.get("topic") == "cancel":
            scope = self._asked.get(message["matchtag"])
            if scope is not None:
                scope.cancel()
        else:
            raise BournError(message.get("errstr", "the broker closed the connection"), message.get("errnum"))

    def _answer(self, frame: bytes) -> None:
        self._outgoing.append(frame)
        self._work.set()

    async def _serve(self, request: ClientRequest) -> None:
        with trio.CancelScope() as scope, answering(request):
            self._asked[request.matchtag] = scope
            try:
                request.conclude(await method_of(request, self._services)(request))
            finally:
                self._asked.pop(request.matchtag, None)

    async def received(self, channel: trio.MemoryReceiveChannel[Any]) -> Any:
        """Return the next thing from the channel, which ends only with the connection."""
        try:
            return await channel.receive()
        except trio.EndOfChannel:
            raise self._error or BournError("lost the connection", errno.ECONNRESET) from None

    def _lost(self, error: BournError) -> None:
        if self._error is None:
            self._error = error
        self._idle.set()
        for channel in self._waiting.values():
            channel.close()
        for _, channel in self._listeners:
            channel.close()
        self._waiting.clear()


class Responses:
    """The payloads of a stream's responses, to its end; an error raises RPCError."""

    def __init__(self, handle: Handle, topic: str, channel: trio.MemoryReceiveChannel[Any]) -> None:
        self._handle = handle
        self._topic = topic
        self._channel = channel

    def __aiter__(self) -> Responses:
        return self

    async def __anext__(self) -> Any:
        message = await self._handle.received(self._channel)
        if message.get("errnum") == errno.ENODATA:
            raise StopAsyncIteration
        return _payload(self._topic, message)


class Events:
    """The events of a subscription."""

    def __init__(self, handle: Handle, channel: trio.MemoryReceiveChannel[Any]) -> None:
        self._handle = handle
        self._channel = channel

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        event: Event = await self._handle.received(self._channel)
        return event


def _payload(topic: str, message: dict[str, Any]) -> Any:
    if message.get("errnum"):
        raise RPCError(message["errnum"], message.get("errstr", ""), topic)
    return message.get("payload")
