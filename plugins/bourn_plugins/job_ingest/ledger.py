"""Who waits for which jobs to be durable, and which idempotency keys are on their way. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.errors import BournError

    Key = tuple[int, str]


class Ack:
    """An answer that is due when all it stands on is durable: sent once, well or with the first error."""

    __slots__ = ("_answer", "_left")

    def __init__(self, answer: Callable[[BournError | None], None], waits: int) -> None:
        self._answer = answer
        self._left = waits
        if waits == 0:
            answer(None)

    def settle(self, error: BournError | None) -> None:
        """Note that one of the things it stands on is durable, or failed."""
        if self._left > 0:
            self._left = 0 if error else self._left - 1
            if self._left == 0:
                self._answer(error)


class Flight:
    """One hand-over to the job manager that isn't durable yet."""

    __slots__ = ("acks", "keys")

    def __init__(self) -> None:
        self.acks: list[Ack] = []
        self.keys: list[Key] = []


class Ledger:
    """The idempotency keys in flight. A key of a finished flight is found in the store."""

    def __init__(self) -> None:
        self._flying: dict[Key, tuple[int, Flight]] = {}

    def find(self, key: Key) -> tuple[int, Flight] | None:
        """Return the job id that a key in flight stands for, and its flight."""
        return self._flying.get(key)

    def start(self, keys: Iterable[tuple[Key, int]]) -> Flight:
        """Note a hand-over with these keys and job ids."""
        flight = Flight()
        for key, jobid in keys:
            self._flying[key] = (jobid, flight)
            flight.keys.append(key)
        return flight

    def land(self, flight: Flight, error: BournError | None) -> None:
        """Note the end of a hand-over and tell those who wait for it."""
        for key in flight.keys:
            del self._flying[key]
        for ack in flight.acks:
            ack.settle(error)

    def __len__(self) -> int:
        return len(self._flying)
