"""Requests that the broker and its modules make themselves: the waiting ends."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from bourn.errors import RPCError

if TYPE_CHECKING:
    from bourn.broker.request import Request


class _Waiting:
    """An origin inside the broker: what arrives wakes one waiting task."""

    __slots__ = ("_wake", "error")

    def __init__(self) -> None:
        self.error: RPCError | None = None
        self._wake: trio.Event | None = None

    def fail(self, request: Request, errnum: int, text: str) -> None:
        self.error = RPCError(errnum, text, request.topic)
        self.wake()

    def keep(self, request: Request) -> None:
        """The waiting task holds the request already."""

    def release(self, request: Request) -> None:
        """Nothing was kept."""

    @property
    def behind(self) -> bool:
        """What is here was asked for."""
        return False

    def wake(self) -> None:
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    async def sleep(self) -> None:
        self._wake = trio.Event()
        await self._wake.wait()


class Call(_Waiting):
    """The origin of a request with one response."""

    __slots__ = ("done", "payload")

    def __init__(self) -> None:
        super().__init__()
        self.done = False
        self.payload: Any = None

    def reply(self, request: Request, payload: object) -> None:
        """Take the response."""
        self.payload = payload
        self.done = True
        self.wake()

    async def drained(self) -> None:
        """One response never fills anything."""

    async def result(self, request: Request) -> Any:
        """Wait for the response and return its payload; raise RPCError where it is an error."""
        if self.done or self.error is not None:
            # Answered at once, as most local calls are: a checkpoint all the same, as trio's rules want.
            await trio.lowlevel.checkpoint()
        while not self.done:
            if self.error is not None:
                raise self.error
            try:
                await self.sleep()
            except trio.Cancelled:
                request.cancel()
                raise
        return self.payload


class Stream(_Waiting):
    """The origin of a streaming request, and the async iterator over its responses' payloads."""

    __slots__ = ("_payloads", "_taken")

    HIGH_WATER = 256
    """Responses waiting to be read, above which `drained` makes a considerate service wait."""

    def __init__(self) -> None:
        super().__init__()
        self._payloads: deque[Any] = deque()
        self._taken = trio.Event()

    def reply(self, request: Request, payload: object) -> None:
        """Take one response."""
        self._payloads.append(payload)
        self.wake()

    @property
    def behind(self) -> bool:
        """Whether the reader hasn't caught up."""
        return len(self._payloads) > self.HIGH_WATER

    async def drained(self) -> None:
        """Wait until the reader has caught up."""
        while len(self._payloads) > self.HIGH_WATER:
            self._taken = trio.Event()
            await self._taken.wait()

    async def latest(self) -> Any:
        """Return the newest payload as soon as there is any; older ones that wait are passed over."""
        payload = await anext(self)
        while self._payloads:
            payload = await anext(self)
        return payload

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        await trio.lowlevel.checkpoint()
        while not self._payloads:
            if self.error is not None:
                if self.error.errnum == errno.ENODATA:
                    raise StopAsyncIteration
                raise self.error
            await self.sleep()
        payload = self._payloads.popleft()
        if not self._payloads:
            self._taken.set()
        return payload
