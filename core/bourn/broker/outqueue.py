"""What a client's session and a neighbour's link share: bytes that wait to go out, and requests, the other
side's and ours, that aren't answered yet.

No socket here: who moves the bytes calls `sent`.
"""

from __future__ import annotations

import errno
from abc import abstractmethod
from itertools import count
from typing import TYPE_CHECKING

import trio

from bourn.broker.codec import encode_frame
from bourn.broker.framing import ProtocolError
from bourn.broker.message import CONTROL, RESPONSE, Message

if TYPE_CHECKING:
    import logging

    from bourn.broker.request import Request

LOW_WATER = 1 << 20
"""Bytes waiting for the other side, above which `Request.drained` makes a considerate service wait."""


class OutQueue:
    """Bytes for the other side in `out`, and the requests either way that aren't answered yet."""

    def __init__(self, log: logging.Logger, max_frame: int) -> None:
        self.out = bytearray()
        self.closed = False
        self._log = log
        self._max_frame = max_frame
        self._pending: dict[int, Request] = {}
        """The other side's requests, by its matchtags."""
        self._asked: dict[int, Request] = {}
        """Those that went to the other side, by ours."""
        self._asked_set: set[Request] = set()
        self._tags = count(1)
        self._room: trio.Event | None = None

    @abstractmethod
    def push(self, frame: bytes) -> None:
        """Queue a frame, if the other side is there; it is given up if it takes nothing."""

    def reply(self, request: Request, payload: object) -> None:
        """Send a response."""
        if self.closed:
            return
        try:
            frame = encode_frame(Message(RESPONSE, request.topic, payload, request.matchtag))
            if len(frame) > self._max_frame:
                raise ProtocolError(
                    f"{request.topic}: a response of {len(frame)} bytes exceeds {self._max_frame}",
                    errno.EMSGSIZE,
                )
        except ProtocolError as error:
            self._log.error("%s", error.message)
            if request.done:
                self.fail(request, error.errnum, error.message)
            else:
                request.error(error.errnum, error.message)
            return
        self.push(frame)

    def fail(self, request: Request, errnum: int, text: str) -> None:
        """Send an error response."""
        if not self.closed:
            # The text may quote a file name whose bytes aren't UTF-8.
            errstr = text.encode(errors="backslashreplace").decode()
            self.push(
                encode_frame(
                    Message(RESPONSE, request.topic, matchtag=request.matchtag, errnum=errnum, errstr=errstr)
                )
            )

    def _expect(self, tag: int, request: Request) -> None:
        """Remember a request that goes to the other side."""
        self._asked[tag] = request
        request.keep(self._asked_set)
        request.on_cancel = lambda: self._unask(tag)

    def _unask(self, tag: int) -> None:
        if self._asked.pop(tag, None) is not None:
            self.push(encode_frame(Message(CONTROL, "cancel", matchtag=tag)))

    def _answered(self, tag: int, errnum: int) -> Request | None:
        """Return what a response is for; None if that was cancelled meanwhile."""
        request = self._asked.get(tag)
        if request is not None and (errnum or not request.streaming):
            del self._asked[tag]
        return request

    def _cancel_pending(self) -> None:
        """The other side wants nothing any more."""
        for request in list(self._pending.values()):
            request.cancel()

    def _fail_asked(self, errnum: int, why: str) -> None:
        """The other side won't answer any more."""
        for request in list(self._asked.values()):
            request.error(errnum, f"{request.topic}: {why}")
        self._asked.clear()

    def sent(self) -> None:
        """Some of `out` has gone; whoever moves the bytes says so."""
        if self._room is not None:
            self._room.set()
            self._room = None

    @property
    def behind(self) -> bool:
        """Whether so much waits for the other side that `drained` would wait."""
        return len(self.out) > LOW_WATER

    async def drained(self) -> None:
        """Wait until the other side has taken most of what was sent, or is gone."""
        await self._wait_until_queued(LOW_WATER)

    async def emptied(self) -> None:
        """Wait until it has taken all of it, or is gone."""
        await self._wait_until_queued(0)

    async def _wait_until_queued(self, most: int) -> None:
        while len(self.out) > most and not self.closed:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    def keep(self, request: Request) -> None:
        """Remember a request that may be cancelled."""
        self._pending[request.matchtag] = request

    def release(self, request: Request) -> None:
        """It was answered."""
        self._pending.pop(request.matchtag, None)
