"""Virtual CPUs, and servers that work on one batch after the other, as a broker's turns do."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Item = TypeVar("Item")


class Clock:
    """Calls to come, by time; those of one time in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something called."""
        self._serial += 1
        heappush(self._heap, (self.now + seconds, self._serial, call))

    def run(self) -> None:
        """Make all calls until there are none."""
        while self._heap:
            self.now, _, call = heappop(self._heap)
            call()


class Cpus:
    """Some equal CPUs; work that finds none free waits its turn."""

    def __init__(self, clock: Clock, count: int) -> None:
        self.count = count
        self.busy = 0.0
        """CPU seconds so far."""
        self._clock = clock
        self._free = count
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()

    def work(self, seconds: float, done: Callable[[], None]) -> None:
        """Keep a CPU busy, then call."""
        if not self._free:
            self._waiting.append((seconds, done))
            return
        self._free -= 1
        self._begin(seconds, done)

    def _begin(self, seconds: float, done: Callable[[], None]) -> None:
        def end() -> None:
            if self._waiting:
                self._begin(*self._waiting.popleft())
            else:
                self._free += 1
            done()

        self.busy += seconds
        self._clock.after(seconds, end)


class Server(Generic[Item]):
    """A process with one thread: what has come while it worked is its next batch.

    It reads from above (0) and from below (1) in turn, so that neither keeps the other waiting.
    """

    def __init__(
        self,
        cpus: Cpus,
        cost: Callable[[Item], float],
        handle: Callable[[list[Item]], None],
        most: int = 100,
    ) -> None:
        """`cost`: CPU seconds of an item; `handle` gets each batch, of `most` items at most, when done."""
        self.busy = 0.0
        self._cpus = cpus
        self._cost = cost
        self._handle = handle
        self._most = most
        self._inboxes: tuple[deque[Item], deque[Item]] = (deque(), deque())
        self._working = False

    def put(self, *items: Item, side: int = 0) -> None:
        """Give it work."""
        self._inboxes[side].extend(items)
        if not self._working:
            self._turn()

    def _turn(self) -> None:
        self._working = True
        batch = [box.popleft() for box in self._inboxes for _ in range(min(self._most, len(box)))]
        seconds = sum(map(self._cost, batch))
        self.busy += seconds

        def done() -> None:
            self._handle(batch)
            self._working = False
            if any(self._inboxes):
                self._turn()

        self._cpus.work(seconds, done)
