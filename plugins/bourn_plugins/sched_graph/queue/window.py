"""Reservations, and which of them a job that begins at some time would see, as that time goes on."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn_plugins.sched_graph.engine.realm import Parts


@define(eq=False)
class Reservation:
    """Resources that are promised to a job from a time on, during one pass."""

    job: int
    start: float
    end: float
    parts: Parts
    mask: int
    """All its atoms, as a mask of the engine's order."""
    whole: bool
    """Whether it has all its atoms to itself."""


class Window:
    """A stretch of time of one length that moves forward over reservations."""

    def __init__(self, reservations: Iterable[Reservation], length: float) -> None:
        self._length = length
        self._ahead = sorted(reservations, key=lambda each: each.start, reverse=True)
        self._inside: list[tuple[float, int, Parts]] = []
        """(end, job, parts) as a heap."""

    def move(self, time: float) -> tuple[list[Parts], list[Parts]]:
        """Have it begin at a time; return what has gone out of it, and what has come in."""
        out: list[Parts] = []
        come: list[Parts] = []
        while self._inside and self._inside[0][0] <= time:
            out.append(heappop(self._inside)[2])
        ahead = self._ahead
        while ahead and ahead[-1].start < time + self._length:
            next = ahead.pop()
            if next.end > time:
                heappush(self._inside, (next.end, next.job, next.parts))
                come.append(next.parts)
        return out, come
