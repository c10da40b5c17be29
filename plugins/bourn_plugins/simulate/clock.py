"""Virtual time: a heap of events, which is the clock as well; it says the time of the one that is handled."""

from __future__ import annotations

import math
from enum import IntEnum
from heapq import heappop, heappush

import trio
from trio.testing import wait_all_tasks_blocked


class Kind(IntEnum):
    """What happens, in the order in which things of one instant are handled."""

    END = 0
    SUBMIT = 1


class Agenda(trio.abc.Clock):
    """Events to come. Those of one instant and kind are handled in the order in which they were added.

    It is the clock of the trio run that the scheduler lives in: the scheduler's tasks sleep in virtual time.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, int, object]] = []
        self._serial = 0

    def add(self, when: float, kind: Kind, what: object) -> None:
        """Put an event in; none may lie in the past."""
        assert when >= self.now, f"{when} is before {self.now}"
        self._serial += 1
        heappush(self._heap, (when, kind, self._serial, what))

    @property
    def next(self) -> float:
        """The time of the next event; infinity if none is to come."""
        return self._heap[0][0] if self._heap else math.inf

    def pop(self) -> tuple[Kind, object] | None:
        """Take the next event if its time is now."""
        if not self._heap or self._heap[0][0] > self.now:
            return None
        _, kind, _, what = heappop(self._heap)
        return Kind(kind), what

    # -- trio.abc.Clock --

    def start_clock(self) -> None:
        """Nothing runs by itself."""

    def current_time(self) -> float:
        """Return now."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how long trio may sleep in real time: until it is told that time has passed."""
        return 0.0 if deadline <= self.now else math.inf


async def settle(now: float) -> float:
    """Let tasks that can run do so, until all wait; return the time at which the first of them wakes."""
    while (statistics := trio.lowlevel.current_statistics()).tasks_runnable:
        await wait_all_tasks_blocked()
    return now + statistics.seconds_to_next_deadline
