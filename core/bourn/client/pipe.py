"""A stream of bytes between two programs of one instance, carried by its brokers: for where no socket leads.

One program offers a service (`PipeService`), another opens it from any rank (`Pipe`). Bytes travel as base64,
in messages of a quarter of the window at most. No more than a window of them is on its way in a direction:
whoever reads tells how far it has come. The windows of all pipes of a service together are `TOTAL` bytes, so
that what the brokers must hold is bounded however many there are.

    SERVICE.open  {token} -> {window}, then {data} and {got}    a stream, as long as the pipe
    SERVICE.data  {data} or {got}                               no response
"""

from __future__ import annotations

import errno
import hmac
import threading
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Protocol

from bourn.client.service import LATER
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bourn.client.handle import Handle
    from bourn.client.service import ClientRequest, Later

TOTAL = 32 << 20
MOST, LEAST = 4 << 20, 16 << 10
"""Bounds of a window."""


class Opener(Protocol):
    """Who is told of the pipes of a service."""

    def opened(self, end: PipeEnd, jobid: int) -> None:
        """Take a new pipe from a job."""

    def received(self, end: PipeEnd, data: bytes) -> None:
        """Take bytes."""

    def ended(self, end: PipeEnd) -> None:
        """Note that the other side is gone and has said all."""


class PipeEnd:
    """The serving end of a pipe."""

    def __init__(self, service: PipeService, request: ClientRequest, window: int) -> None:
        self._service = service
        self._request = request
        self._window = window
        self._out = bytearray()
        self._room = window
        self._got = 0

    def send(self, data: bytes) -> None:
        """Send bytes, now or as soon as the window allows it."""
        self._out += data
        self._push()

    def rest(self) -> bool:
        """Return whether the other side is known to be gone, so that nothing more comes."""
        return self._request.cancelled

    def close(self) -> None:
        """End the pipe; what hasn't been sent isn't."""
        self._request.end()
        self._service.forget(self._request.client)

    def take(self, payload: dict[str, Any]) -> bytes:
        """Take a message; return the bytes in it."""
        self._room += payload.get("got", 0)
        self._push()
        data = b64decode(payload.get("data", ""))
        self._got += len(data)
        if self._got > self._window // 2:
            self._request.respond({"got": self._got})
            self._got = 0
        return data

    def _push(self) -> None:
        out = self._out
        while out and self._room > 0:
            piece = out[: min(self._room, self._window // 4)]
            del out[: len(piece)]
            self._room -= len(piece)
            self._request.respond({"data": b64encode(piece).decode()})


class PipeService:
    """The service of a program that others open pipes to; its thread serves it with `h.callbacks_run`.

    Args:
        h: the connection that it is offered at.
        name: of the service.
        token: what others must show. The broker vouches that they are of the instance's owner.
        pipes: how many there may be at most.
        opener: is told of them.
    """

    def __init__(self, h: Handle, name: str, token: bytes, pipes: int, opener: Opener) -> None:
        self._h = h
        self._name = name
        self._token = token
        self._window = max(min(TOTAL // pipes, MOST), LEAST)
        self._opener = opener
        self._ends: dict[str, PipeEnd] = {}
        h.service_register(name, {"open": self._open, "data": self._data})

    def forget(self, client: str) -> None:
        """Forget a pipe."""
        self._ends.pop(client, None)

    def _open(self, request: ClientRequest) -> Later:
        token, jobid = request.payload["token"], request.payload["jobid"]
        if not request.streaming or not hmac.compare_digest(token.encode(), self._token.hex().encode()):
            raise BournError("this pipe isn't for you", errno.EPERM)
        end = self._ends[request.client] = PipeEnd(self, request, self._window)
        request.on_cancel = lambda: self._ended(request.client)
        request.respond({"window": self._window})
        self._opener.opened(end, jobid)
        return LATER

    def _data(self, request: ClientRequest) -> None:
        end = self._ends.get(request.client)
        if end is not None:
            data = end.take(request.payload)
            if data:
                self._opener.received(end, data)

    def _ended(self, client: str) -> None:
        end = self._ends.pop(client, None)
        if end is not None:
            self._opener.ended(end)


class Pipe:
    """The opening end. One thread may receive while another sends.

    Raises RPCError where the service isn't there, or refuses.
    """

    def __init__(self, h: Handle, service: str, rank: int, token: str, jobid: int) -> None:
        self._h = h
        self._service = service
        self._rank = rank
        hello = {"token": token, "jobid": jobid}
        self._stream = h.rpc(f"{service}.open", hello, nodeid=rank, streaming=True)
        self._window = self._room = int(self._stream.get()["window"])
        self._stream.reset()
        self._got = 0
        self._changed = threading.Condition()
        self._data = self._receive()

    def recv(self, _size: int = 0) -> bytes:
        """Wait for bytes and return what has come; none at the end."""
        return next(self._data, b"")

    def sendall(self, data: bytes) -> None:
        """Send bytes; waits for the other side to make room."""
        view = memoryview(data)
        while view:
            with self._changed:
                self._changed.wait_for(lambda: self._room > 0)
                piece = view[: min(self._room, self._window // 4)]
                self._room -= len(piece)
            view = view[len(piece) :]
            self._tell({"data": b64encode(piece).decode()})

    def _receive(self) -> Iterator[bytes]:
        try:
            for payload in self._stream:
                if "got" in payload:
                    with self._changed:
                        self._room += payload["got"]
                        self._changed.notify()
                if "data" in payload:
                    data = b64decode(payload["data"])
                    self._got += len(data)
                    if self._got > self._window // 2:
                        self._tell({"got": self._got})
                        self._got = 0
                    yield data
        except BournError:
            return

    def _tell(self, payload: dict[str, Any]) -> None:
        try:
            self._h.rpc(f"{self._service}.data", payload, nodeid=self._rank, noresponse=True)
        except BournError as error:
            raise OSError(error.errnum, error.message) from None
