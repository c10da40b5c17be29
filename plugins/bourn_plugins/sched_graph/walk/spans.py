"""What is in use when: a pool's spans over time (RFC-less; times are integer seconds)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOREVER = 1 << 63
"""No span reaches this time; a window that starts far out is after everything that is planned."""


class Spans:
    """The units of a pool that are taken, as a step function of time, with the span that each job put
    there.
    """

    __slots__ = ("_times", "_used", "jobs", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.jobs: dict[int, tuple[int, int, int]] = {}
        """job -> (start, end, units)."""
        self._times: list[int] = []
        self._used: list[int] = []

    def add(self, job: int, start: int, end: int, units: int) -> bool:
        """Take units for a job in [start, end), or return False if there are too few at some time."""
        if units > self.free(start, end):
            return False
        self.jobs[job] = (start, end, units)
        self._change(start, end, units)
        return True

    def remove(self, job: int) -> int:
        """Give a job's units back and return how many there were; 0 if it had none."""
        span = self.jobs.pop(job, None)
        if span is None:
            return 0
        self._change(span[0], span[1], -span[2])
        self._prune()
        return span[2]

    def reduce(self, job: int, units: int) -> int:
        """Give some of a job's units back; return how many it still has."""
        start, end, had = self.jobs[job]
        left = max(0, had - units)
        self._change(start, end, left - had)
        if left:
            self.jobs[job] = (start, end, left)
        else:
            del self.jobs[job]
            self._prune()
        return left

    def free(self, start: int, end: int) -> int:
        """Return the least number of units that are free at any time in [start, end)."""
        times, used = self._times, self._used
        if not times:
            return self.total
        low = bisect_right(times, start) - 1
        high = bisect_left(times, end)
        most = max(used[max(low, 0) : high], default=0)
        return self.total - max(most, 0)

    def points(self) -> list[int]:
        """Return the times at which a span starts or ends, ascending."""
        return sorted({time for start, end, _ in self.jobs.values() for time in (start, end)})

    def _change(self, start: int, end: int, units: int) -> None:
        if not units:
            return
        times, used = self._times, self._used
        low = self._point(start)
        high = self._point(end)
        for i in range(low, high):
            used[i] += units
        assert len(times) == len(used)

    def _point(self, time: int) -> int:
        at = bisect_left(self._times, time)
        if at == len(self._times) or self._times[at] != time:
            self._used.insert(at, self._used[at - 1] if at else 0)
            self._times.insert(at, time)
        return at

    def _prune(self) -> None:
        if not self.jobs:
            self._times.clear()
            self._used.clear()
        elif len(self._times) > 4 * len(self.jobs) + 8:
            keep = set(self.points())
            pairs = [(t, u) for t, u in zip(self._times, self._used, strict=True) if t in keep]
            self._times = [t for t, _ in pairs]
            self._used = [u for _, u in pairs]


class Totals:
    """Spans of several types at once: what a subtree has of each, and what is planned of it."""

    __slots__ = ("jobs", "spans", "types")

    def __init__(self, totals: Mapping[str, int]) -> None:
        self.types = tuple(totals)
        self.spans = {type: Spans(total) for type, total in totals.items()}
        self.jobs: set[int] = set()

    def add(self, job: int, start: int, end: int, counts: Mapping[str, int]) -> None:
        """Plan counts of the types that are tracked."""
        for type, spans in self.spans.items():
            spans.add(job, start, end, counts.get(type, 0))
        self.jobs.add(job)

    def remove(self, job: int) -> None:
        """Forget a job."""
        if job in self.jobs:
            self.jobs.discard(job)
            for spans in self.spans.values():
                spans.remove(job)

    def fits(self, start: int, end: int, counts: Mapping[str, int]) -> bool:
        """Whether the window has the counts that are asked of tracked types."""
        for type, spans in self.spans.items():
            wanted = counts.get(type, 0)
            if wanted and wanted > spans.free(start, end):
                return False
        return True

    def times(self, after: int, counts: Mapping[str, int], duration: int) -> Iterator[int]:
        """Yield the times from `after` on at which something changes and the counts fit, ascending."""
        first: Sequence[int] = next(iter(self.spans.values())).points() if self.spans else ()
        for time in first:
            if time >= after and self.fits(time, time + duration, counts):
                yield time
