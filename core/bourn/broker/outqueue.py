"""What a client's session and a neighbour's link share: bytes that wait to go out, requests not yet answered.

No socket here: who moves the bytes calls `sent`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from bourn.broker.request import Request

LOW_WATER = 1 << 20
"""Bytes waiting for the other side, above which `Request.drained` makes a considerate service wait."""


class OutQueue:
    """Bytes for the other side in `out`, and the requests of the other side that aren't answered yet."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.closed = False
        self._pending: dict[int, Request] = {}
        self._room: trio.Event | None = None

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
