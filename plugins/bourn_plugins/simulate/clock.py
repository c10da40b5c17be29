"""Virtual time: a heap of events, and a clock that says the time of the one that is handled."""

from __future__ import annotations

import time
from contextlib import contextmanager
from enum import IntEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Kind(IntEnum):
    """What happens, in the order in which things of one instant are handled."""

    END = 0
    SUBMIT = 1


class Agenda:
    """Events to come. Those of one instant and kind are handled in the order in which they were added."""

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
    def next(self) -> float | None:
        """The time of the next event."""
        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[Kind, object] | None:
        """Take the next event if its time is now."""
        if not self._heap or self._heap[0][0] > self.now:
            return None
        _, kind, _, what = heappop(self._heap)
        return Kind(kind), what


@contextmanager
def virtual_time(agenda: Agenda) -> Iterator[None]:
    """Let `time.time()` say the agenda's time: the clock that schedulers read."""
    real = time.time
    time.time = lambda: agenda.now
    try:
        yield
    finally:
        time.time = real
