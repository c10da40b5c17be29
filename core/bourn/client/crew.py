"""Which worker gets which calls: the decisions of the function lane, without I/O.

Small calls travel many at a time, long ones singly: each worker is kept supplied with about `SUPPLY` seconds
of work, by what its calls have taken so far. Calls that wait in a worker behind one that turns out to be long
are asked back and go to others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bourn.client.futures import CallFuture

SUPPLY = 0.01
"""Seconds of work that a worker has before it, and after which a call counts as long."""
MOST = 1024
"""Calls that a worker has before it at most."""
MOST_BYTES = 4 << 20
"""Bytes of arguments that go to a worker at a time, beyond the first call's."""


class Call:
    """A call on its way: its future, what is called, its bytes, and how often its worker ended."""

    __slots__ = ("begun", "function", "future", "id", "lost", "payload")

    def __init__(self, id: int, future: CallFuture, function: object, payload: bytes) -> None:
        self.id = id
        self.future = future
        self.function = function
        self.payload = payload
        self.lost = 0
        self.begun = False

    def begin(self) -> bool:
        """Mark it as running; False if it was cancelled."""
        self.begun = self.future.begin()
        return self.begun


class Worker:
    """A worker that is connected: the calls that it has, the one that it runs first."""

    def __init__(self) -> None:
        self.calls: dict[int, Call] = {}
        self.pace = 0.0
        """Seconds that its recent calls took each; 0 before the first."""
        self.since = 0.0
        """When the call that it runs began, as far as we know; of an idle one, when it became that."""
        self.asked_back = False

    @property
    def room(self) -> int:
        """How many more calls it should get."""
        held = len(self.calls)
        if not self.pace:
            return 1 - held
        wanted = min(max(int(SUPPLY / self.pace), 1), MOST)
        # It is filled up when it is half empty: fewer, fuller messages.
        return wanted - held if held <= wanted // 2 else 0


W = TypeVar("W", bound=Worker)


class Crew(Generic[W]):
    """The calls that wait and the workers that are there."""

    def __init__(self) -> None:
        self.waiting: deque[Call] = deque()
        self.workers: list[W] = []

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do and nothing being done."""
        return not self.waiting and not any(worker.calls for worker in self.workers)

    @property
    def hungry(self) -> bool:
        """Whether a worker could take a call now."""
        return any(worker.room > 0 for worker in self.workers)

    @property
    def idle_since(self) -> float | None:
        """When the worker became idle that has been so for longest; None if each has a call."""
        return min((worker.since for worker in self.workers if not worker.calls), default=None)

    def assign(self, now: float) -> Iterator[tuple[W, list[Call]]]:
        """Share what waits among the workers that have room, in order; calls cancelled meanwhile drop out."""
        waiting = self.waiting
        even = -(-len(waiting) // len(self.workers)) if self.workers else 0
        for worker in sorted((w for w in self.workers if w.room > 0), key=lambda w: len(w.calls)):
            share = min(worker.room, even)
            calls: list[Call] = []
            size = 0
            while waiting and len(calls) < share and (not calls or size < MOST_BYTES):
                call = waiting.popleft()
                if call.begun or call.begin():
                    calls.append(call)
                    size += len(call.payload)
            if not calls:
                return
            if not worker.calls:
                worker.since = now
            worker.calls.update((call.id, call) for call in calls)
            yield worker, calls

    def ended(self, worker: W, id: int, seconds: float, now: float) -> Call | None:
        """Take a call off a worker, which ran it for so long."""
        worker.pace = (worker.pace + seconds) / 2 if worker.pace else max(seconds, 1e-7)
        worker.since = now
        return worker.calls.pop(id, None)

    def stuck(self, now: float) -> Iterator[W]:
        """Yield the workers that must be asked for what waits behind a long call."""
        for worker in self.workers:
            if len(worker.calls) > 1 and not worker.asked_back and now - worker.since > SUPPLY:
                worker.asked_back = True
                yield worker

    @property
    def crowded(self) -> bool:
        """Whether a call waits in a worker behind another, so that `stuck` should be asked in a while."""
        return any(len(worker.calls) > 1 and not worker.asked_back for worker in self.workers)

    def returned(self, worker: W, ids: Iterable[int]) -> None:
        """Take back calls that a worker has not begun, to the head of the queue."""
        worker.asked_back = False
        worker.pace = max(worker.pace, SUPPLY)
        back = [call for id in ids if (call := worker.calls.pop(id, None)) is not None]
        self.waiting.extendleft(reversed(back))

    def gone(self, worker: W) -> Call | None:
        """Forget a worker; return the call that it ran. What it had not begun is done by others."""
        self.workers.remove(worker)
        calls = list(worker.calls.values())
        worker.calls.clear()
        self.waiting.extendleft(reversed(calls[1:]))
        return calls[0] if calls else None
