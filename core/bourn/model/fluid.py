"""FLUID generation: 40 bits of milliseconds, 14 of generator, 10 of sequence (RFC 19). No clock in here."""

from __future__ import annotations

from bourn.errors import BournError

GENERATOR_BITS = 14
SEQUENCE_BITS = 10
_SHIFT = GENERATOR_BITS + SEQUENCE_BITS
_SEQUENCES = 1 << SEQUENCE_BITS
_MAX_MS = 1 << 40


class FluidGenerator:
    """Makes ids that ascend, from the wall clock in milliseconds that the caller passes.

    `epoch_ms` is the instance's birth, `generator` the broker's rank. `after` is the last id that an
    earlier run issued: no id up to it is issued again, even if the clock went back meanwhile.
    """

    __slots__ = ("_generator", "_ms", "_sequence", "epoch_ms")

    def __init__(self, epoch_ms: int, generator: int = 0, after: int = -1) -> None:
        if not 0 <= generator < 1 << GENERATOR_BITS:
            raise BournError(f"generator {generator} is not from 0 to {(1 << GENERATOR_BITS) - 1}")
        self.epoch_ms = epoch_ms
        self._generator = generator << SEQUENCE_BITS
        # The ms in use and the next sequence number in it.
        self._ms = (after >> _SHIFT) + 1 if after >= 0 else 0
        self._sequence = 0

    def next(self, now_ms: int) -> int | None:
        """Return an id, or None when this millisecond's are used up: ask again one millisecond later."""
        ms = now_ms - self.epoch_ms
        if ms > self._ms:
            self._ms = self._check(ms)
            self._sequence = 0
        elif self._sequence >= _SEQUENCES:
            if ms < self._ms:
                # The clock lags behind what was issued; waiting for it could take for ever.
                self._ms = self._check(self._ms + 1)
                self._sequence = 0
            else:
                return None
        sequence = self._sequence
        self._sequence = sequence + 1
        return self._ms << _SHIFT | self._generator | sequence

    def batch(self, n: int, now_ms: int) -> list[int]:
        """Return `n` ascending ids at once; a full millisecond borrows the next one instead of waiting."""
        ids: list[int] = []
        if now_ms - self.epoch_ms > self._ms:
            self._ms = self._check(now_ms - self.epoch_ms)
            self._sequence = 0
        while n > 0:
            if self._sequence >= _SEQUENCES:
                self._ms = self._check(self._ms + 1)
                self._sequence = 0
            size = min(n, _SEQUENCES - self._sequence)
            base = self._ms << _SHIFT | self._generator | self._sequence
            ids.extend(range(base, base + size))
            self._sequence += size
            n -= size
        return ids

    def block(self, n: int, now_ms: int) -> int:
        """Return the first of `n` ids that begin with a millisecond and go on through the next ones."""
        self._ms = self._check(max(self._ms + 1, now_ms - self.epoch_ms))
        first = self._ms << _SHIFT | self._generator
        millis, self._sequence = divmod(n, _SEQUENCES)
        self._ms = self._check(self._ms + millis)
        return first

    def _check(self, ms: int) -> int:
        if ms >= _MAX_MS:
            raise BournError(f"the instance is {ms} ms old, more than job ids can hold (2**40 ms, 34 years)")
        return ms
