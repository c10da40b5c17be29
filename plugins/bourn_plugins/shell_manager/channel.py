"""One end of a conversation that goes on when the way between the ends breaks and is made anew. No I/O."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

OWED_MOST = 64
"""So many messages that were taken are acknowledged without a message to go with."""

Parcel = tuple[int, int, T | None]
"""(number from 1 on, the highest number taken from the other end, message); a number 0 has no message."""


class Channel(Generic[T]):
    """Numbers what is sent and keeps it until the other end has taken it, so that it can be sent again.

    Each message is taken once, in order, whatever gets lost: when there is a new way, each end tells the
    other its `got`, and sends what `again` returns.
    """

    def __init__(self) -> None:
        self.got = 0
        """The highest number taken."""
        self._number = 0
        self._kept: deque[tuple[int, T]] = deque()
        self._told = 0

    def pack(self, message: T) -> Parcel[T]:
        """Return what to send for a message."""
        self._number += 1
        self._kept.append((self._number, message))
        self._told = self.got
        return self._number, self.got, message

    def take(self, number: int, got: int) -> bool:
        """Note a parcel's numbers; return whether its message is to be acted on.

        One that came before isn't, nor one after a gap: what is missing comes again, and so does that.
        """
        self._forget(got)
        if number != self.got + 1:
            return False
        self.got = number
        return True

    def receipt(self) -> Parcel[T] | None:
        """Return a parcel without a message, if the other end keeps many only since it has heard nothing."""
        if self.got - self._told < OWED_MOST:
            return None
        self._told = self.got
        return 0, self.got, None

    def again(self, got: int) -> list[Parcel[T]]:
        """Return what the other end, which has taken `got`, is to be sent again over a new way."""
        self._forget(got)
        self._told = self.got
        return [(number, self.got, message) for number, message in self._kept]

    def _forget(self, got: int) -> None:
        kept = self._kept
        while kept and kept[0][0] <= got:
            kept.popleft()
