"""Times at which something is due, for any number of jobs: one heap, one sleeping task."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


class Due:
    """A call that is due at a time of the trio clock."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: Due) -> bool:
        return self.when < other.when


class Deadlines:
    """The heap. Cancelled entries are dropped when they come up, or when they are the most."""

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._cancelled = 0
        self._earlier = trio.Event()

    def add(self, delay: float, callback: Callable[[], None]) -> Due:
        """Call back in `delay` seconds."""
        due = Due(trio.current_time() + delay, callback)
        if not self._heap or due.when < self._heap[0].when:
            self._earlier.set()
        heappush(self._heap, due)
        return due

    def cancel(self, due: Due | None) -> None:
        """Never make the call."""
        if due is None or due.callback is None:
            return
        due.callback = None
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry.callback is not None]
            heapify(self._heap)
            self._cancelled = 0

    async def run(self) -> None:
        """Make the calls when they are due."""
        while True:
            self._earlier = trio.Event()
            with trio.move_on_at(self._heap[0].when if self._heap else inf):
                await self._earlier.wait()
            now = trio.current_time()
            while self._heap and self._heap[0].when <= now:
                callback = heappop(self._heap).callback
                if callback is None:
                    self._cancelled -= 1
                else:
                    callback()
