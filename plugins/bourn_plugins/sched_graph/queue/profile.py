"""Use of atoms and of units over time."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREVER = math.inf


class Profile:
    """Use over time: `times[i]` begins a stretch with the atoms `busy[i]` and `units[i]` in use."""

    def __init__(self, now: float) -> None:
        self.times = [now]
        self.busy = [0]
        self.units = [0]

    @classmethod
    def of(cls, now: float, uses: list[tuple[float, int, int]]) -> Profile:
        """Return the profile of what is in use from now on until each (end, mask, units)."""
        profile = cls(now)
        uses.sort(key=lambda use: use[0], reverse=True)
        times, busy, units = [FOREVER], [0], [0]
        for end, mask, count in uses:
            if end == times[-1]:
                busy[-1] |= mask
                units[-1] += count
            else:
                times.append(end)
                busy.append(busy[-1] | mask)
                units.append(units[-1] + count)
        # What ends at times[k] is in use in the stretch before it.
        profile.times = [now, *reversed(times[1:])]
        profile.busy = busy[::-1]
        profile.units = units[::-1]
        return profile

    def add(self, start: float, end: float, mask: int, units: int) -> None:
        """Put something into the stretches of [start, end)."""
        low = self._point(start)
        high = len(self.times) if end == FOREVER else self._point(end)
        busy, counts = self.busy, self.units
        for i in range(low, high):
            busy[i] |= mask
            counts[i] += units

    def _point(self, time: float) -> int:
        if time <= self.times[0]:
            return 0
        at = bisect_left(self.times, time)
        if at == len(self.times) or self.times[at] != time:
            self.times.insert(at, time)
            self.busy.insert(at, self.busy[at - 1])
            self.units.insert(at, self.units[at - 1])
        return at

    def find_atoms(self, fitting: int, wanted: int, duration: float) -> tuple[float, int] | None:
        """Return the earliest (time, mask of free atoms) with enough atoms free for the whole duration."""
        times, busy = self.times, self.busy
        last = len(times)
        i = 0
        while i < last:
            free = fitting & ~busy[i]
            if free.bit_count() < wanted:
                i += 1
                continue
            end = times[i] + duration
            k = i + 1
            while k < last and times[k] < end:
                free &= ~busy[k]
                if free.bit_count() < wanted:
                    break
                k += 1
            else:
                return times[i], free
            # What starts before the stretch that is short on its own fails there too.
            i = k if (fitting & ~busy[k]).bit_count() < wanted else i + 1
        return None

    def openings(self, units: int, limit: int, duration: float, after: float) -> Iterator[float]:
        """Yield the times at which at most `limit - units` units are in use for the whole duration."""
        times, used = self.times, self.units
        last, most = len(times), limit - units
        i = bisect_right(times, after)
        while i < last:
            end = times[i] + duration
            k = i
            while k < last and times[k] < end and used[k] <= most:
                k += 1
            if k < last and times[k] < end:
                i = k + 1
                continue
            yield times[i]
            i += 1
