"""Jobs that wait, in the order in which they are served: priority, then submission.

First come, first served in each queue: the first job of a queue that doesn't fit holds back
those behind it, so that a large job is never starved by small ones.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from bourn_plugins.sched_simple.pool import Ask, Pool, Share


@define(slots=True, eq=False)
class Waiting:
    """A pending job and what it wants."""

    id: int
    priority: int
    queue: str
    ask: Ask
    duration: float
    gone: bool = False


@frozen(slots=True)
class Pass:
    """What one look at the backlog gave: grants, and for each queue that is held back its first job."""

    granted: list[tuple[Waiting, tuple[Share, ...]]] = field(factory=list)
    blocked: list[Waiting] = field(factory=list)


class Backlog:
    """Pending jobs, by queue; removal and a change of priority cost O(log n)."""

    def __init__(self) -> None:
        self._queues: dict[str, list[tuple[int, int, int, Waiting]]] = {}
        self._jobs: dict[int, Waiting] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, jobid: int) -> bool:
        return jobid in self._jobs

    def add(self, job: Waiting) -> None:
        """Queue `job`; a job that waits already is replaced."""
        self.remove(job.id)
        self._jobs[job.id] = job
        self._push(job)

    def remove(self, jobid: int) -> Waiting | None:
        """Take a job out, or return None when it isn't there."""
        job = self._jobs.pop(jobid, None)
        if job is not None:
            # It stays in its heap until it comes to the front: finding it there would cost O(n).
            job.gone = True
        return job

    def prioritize(self, jobid: int, priority: int) -> None:
        """Change the priority of a job that waits."""
        job = self.remove(jobid)
        if job is not None:
            self.add(Waiting(job.id, priority, job.queue, job.ask, job.duration))

    def schedule(self, pool: Pool) -> Pass:
        """Grant, in order, all that fits now; granted jobs leave the backlog."""
        result = Pass()
        fronts = [heap for heap in self._queues.values() if self._front(heap)]
        while fronts:
            heap = min(fronts)
            job = heap[0][3]
            shares = pool.allocate(job.id, job.ask)
            if shares is None:
                result.blocked.append(job)
                fronts.remove(heap)
                continue
            heappop(heap)
            del self._jobs[job.id]
            result.granted.append((job, shares))
            if not self._front(heap):
                fronts.remove(heap)
        return result

    def _push(self, job: Waiting) -> None:
        self._serial += 1
        heappush(self._queues.setdefault(job.queue, []), (-job.priority, job.id, self._serial, job))

    @staticmethod
    def _front(heap: list[tuple[int, int, int, Waiting]]) -> bool:
        """Drop what is gone from the front; False when nothing is left."""
        while heap and heap[0][3].gone:
            heappop(heap)
        return bool(heap)
