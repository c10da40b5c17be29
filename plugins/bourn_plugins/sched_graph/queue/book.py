"""The scheduler's book: pending jobs by queue, and what a pass decides. Pure: a clock reading in,
decisions out.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING

from attrs import Factory, define, evolve

from bourn.hookspecs.queue_policy import Ask, Outcome
from bourn_plugins.sched_graph.engine.policy import PolicyFault
from bourn_plugins.sched_graph.queue.line import Line, Pending
from bourn_plugins.sched_graph.queue.planner import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bourn.hookspecs.queue_policy import QueuePass, QueuePolicy
    from bourn.hookspecs.sched import AllocRequest
    from bourn_plugins.sched_graph.engine.engine import Parts
    from bourn_plugins.sched_graph.queue.planner import Planner
    from bourn_plugins.sched_graph.request import Kind, Request


@define(eq=False)
class Turn:
    """What is left of a pass over one queue."""

    line: Line
    asks: QueuePass
    jobs: Iterator[Pending]

    @classmethod
    def of(cls, line: Line) -> Turn:
        """Begin a pass."""
        return cls(line, line.policy.begin(), line.waiting())

    def anew(self) -> None:
        """Begin again: the policy has been replaced."""
        self.line.sort()
        self.asks, self.jobs = self.line.policy.begin(), self.line.waiting()


@define(eq=False)
class Explanation:
    """Why a job waits."""

    position: int
    """Its place in its queue, from 1."""
    waiting: int
    """How many wait there."""
    reason: str = ""
    start: float | None = None
    """When it starts at the latest, if it has a reservation."""
    behind: list[int] = Factory(list)
    """Jobs that must come first."""


@define(eq=False)
class Decisions:
    """What a pass decided."""

    started: list[tuple[AllocRequest, Parts, float, float]] = Factory(list)
    """(job, parts, start, end); an end of infinity is none. Parts are those of the engine of its queue."""
    denied: list[tuple[int, str]] = Factory(list)
    """(job, reason): those whose policy failed, where that is to refuse them."""
    waiting: list[tuple[AllocRequest, str, float | None]] = Factory(list)
    """(job, reason, estimated start), only where that is news."""
    later: bool = False
    """Whether there will be news of jobs that have only just begun to wait."""


class Book:
    """Pending jobs, and passes over them.

    Queues are served side by side: of the jobs at their fronts, the one of the highest priority comes next,
    so that resources that queues share go by priority.
    """

    def __init__(
        self,
        planner: Planner | Callable[[str], Planner],
        policy_of: Callable[[str], QueuePolicy],
        why: Callable[[Request], str],
        horizon: Callable[[], float] = lambda: FOREVER,
        patience: float = 0.0,
        *,
        strict: bool = False,
    ) -> None:
        self._planner_of = planner if callable(planner) else lambda queue: planner
        """The planner of a queue; those of queues of different match policies are twins."""
        self._policy_of = policy_of
        self._why = why
        self._horizon = horizon
        """The end of the instance's own resources, on the clock of passes."""
        self.strict = strict
        """Whether a job whose policy fails is refused."""
        self._patience = patience
        """Seconds that a job must have waited before anything is said about it: most start sooner."""
        self._lines: dict[str, Line] = {}
        self._jobs: dict[int, Pending] = {}
        self._failed: set[Kind] = set()
        """Requests that didn't fit in this pass: as a pass goes on there is only less."""
        self._reasons: dict[Kind, str] = {}
        self._kinds: dict[Kind, int] = {}
        """How many jobs wait with each request."""
        self._brief = False
        self._looked = -1.0
        """When a pass last went as deep as its policy lets it."""
        self._passes = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: int) -> bool:
        return job in self._jobs

    def move(self, why: Callable[[Request], str]) -> None:
        """Go on with other resources and planners; the jobs that wait stay."""
        self._why = why
        for queue, line in self._lines.items():
            line.planner = self._planner_of(queue)
        self.be_thorough()

    def planner(self, queue: str | None) -> Planner:
        """Return the planner that serves a queue."""
        return self._line(queue or "").planner

    def add(self, job: AllocRequest, request: Request) -> None:
        """Take a job that waits; one of the same id is replaced."""
        self.remove(job.id)
        line = self._line(job.queue or "")
        pending = Pending(job, request, line.policy.order(job))
        self._jobs[job.id] = pending
        self._kinds[request.key] = self._kinds.get(request.key, 0) + 1
        line.insert(pending)

    def remove(self, job: int) -> bool:
        """Forget a job; False if it isn't there."""
        pending = self._jobs.pop(job, None)
        if pending is None:
            return False
        # It stays in its line until that is swept: finding it there would cost as much as the line is long.
        self._leave(pending)
        return True

    def _leave(self, pending: Pending) -> None:
        pending.gone = True
        key = pending.request.key
        left = self._kinds[key] - 1
        if left:
            self._kinds[key] = left
        else:
            del self._kinds[key]
        self._lines[pending.job.queue or ""].gone += 1

    def prioritize(self, job: int, priority: int) -> None:
        """Change the priority of a job that waits."""
        pending = self._jobs.get(job)
        if pending is not None:
            self.add(evolve(pending.job, priority=priority), pending.request)

    def pending(self) -> list[AllocRequest]:
        """Return the jobs that wait, in no particular order."""
        return [pending.job for pending in self._jobs.values()]

    def explain(self, job: int) -> Explanation | None:
        """Say why a job still waits after the last pass; None if it isn't there.

        `be_thorough` before the pass makes sure that it went as deep as the policies let it.
        """
        pending = self._jobs.get(job)
        if pending is None:
            return None
        planner = self.planner(pending.job.queue)
        line = list(self._lines[pending.job.queue or ""].waiting())
        place = line.index(pending)
        found = Explanation(place + 1, len(line), start=pending.start)
        if pending.looked != self._passes:
            found.behind = [line[0].job.id] if place else []
            found.reason = "a pass looks no further than the jobs ahead of it"
        elif planner.engine.match(pending.request) is None:
            found.reason = self._why(pending.request)
        else:
            found.behind = [each.job for each in planner.reservations if each.job != job]
            found.reason = "it would delay jobs that have reservations"
        return found

    def be_thorough(self) -> None:
        """Have the next pass look at everything, even if nothing that waits can start."""
        self._looked = -math.inf

    def _line(self, queue: str) -> Line:
        line = self._lines.get(queue)
        if line is None:
            line = self._lines[queue] = Line(self._policy_of(queue), self._planner_of(queue))
        return line

    def run(self, now: float) -> Decisions:
        """Make a pass."""
        self._passes += 1
        decisions = Decisions()
        self._planner_of("").begin(now)
        self._failed.clear()
        self._reasons.clear()
        self._brief = now - self._looked < self._patience
        if not self._brief:
            self._looked = now
        active = [Turn.of(line) for line in self._lines.values() if line.tidy()]
        if len(active) == 1:
            turn = active[0]
            while (pending := next(turn.jobs, None)) is not None:
                if not self._try(pending, turn, now, decisions):
                    break
        elif active:
            self._merge(active, now, decisions)
        return decisions

    def _merge(self, active: list[Turn], now: float, decisions: Decisions) -> None:
        """Serve several queues: always the front of the highest priority."""
        heap: list[tuple[tuple[int, float, int], int, Pending]] = []
        for k, turn in enumerate(active):
            first = next(turn.jobs)
            heappush(heap, (first.place, k, first))
        while heap:
            _, k, pending = heap[0]
            turn = active[k]
            following = next(turn.jobs, None) if self._try(pending, turn, now, decisions) else None
            if following is None:
                heappop(heap)
            else:
                heapreplace(heap, (following.place, k, following))

    def _try(self, pending: Pending, turn: Turn, now: float, decisions: Decisions) -> bool:
        """Try one job, and live with policies that fail; False if its queue's pass is over."""
        try:
            return self._consider(pending, turn, now, decisions)
        except PolicyFault as error:
            if self.strict and not pending.gone:
                self.remove(pending.job.id)
                decisions.denied.append((pending.job.id, f"its policy failed: {error}"))
            else:
                turn.anew()
            return True

    def _consider(self, pending: Pending, turn: Turn, now: float, decisions: Decisions) -> bool:
        """Try one job; False if its queue's pass is over."""
        job, request, asks = pending.job, pending.request, turn.asks
        ask = asks.ask(job)
        if ask is Ask.ALLOCATE or ask is Ask.RESERVE:
            pending.looked, pending.start = self._passes, None
        if ask is Ask.ALLOCATE and request.key in self._failed:
            # The usual case in a long queue: one of many equal jobs, none of which fits.
            asks.told(job, Outcome.BUSY)
            if pending.told != (self._reasons.get(request.kind), None):
                self._tell(pending, None, now, decisions)
            return True
        if ask is Ask.STOP:
            return False
        if ask is Ask.SKIP:
            return True
        planner = turn.line.planner
        horizon = self._horizon()
        # A job ends to the fraction of a second; what is planned behind it is planned in whole ones.
        duration = float(request.duration) if request.duration else horizon - now
        end = min(now + (request.seconds or duration), horizon)
        parts = None if request.key in self._failed else planner.fit_now(request, end - now)
        if parts is not None:
            planner.start(job.id, parts, end)
            del self._jobs[job.id]
            self._leave(pending)
            decisions.started.append((job, parts, now, end))
            asks.told(job, Outcome.ALLOCATED)
            return True
        self._failed.add(request.key)
        if self._brief and len(self._failed) >= len(self._kinds):
            # Nothing that waits can start. What there is to say about it has time.
            decisions.later = True
            return False
        start: float | None = None
        outcome = Outcome.BUSY
        if ask is Ask.RESERVE:
            reservation = planner.reserve(job.id, request, duration)
            if reservation is not None:
                outcome, start = Outcome.RESERVED, reservation.start
                pending.start = start
        asks.told(job, outcome)
        self._tell(pending, start, now, decisions)
        return True

    def _tell(self, pending: Pending, start: float | None, now: float, decisions: Decisions) -> None:
        if pending.told is None and self._patience:
            if pending.since < 0:
                pending.since = now
            if now - pending.since < self._patience:
                decisions.later = True
                return
        reason = self._reasons.get(pending.request.kind)
        if reason is None:
            reason = self._reasons[pending.request.kind] = self._why(pending.request)
        estimate = None if start is None else round(start, 1)
        told = pending.told
        if told is None or told[0] != reason or _moved(told[1], estimate):
            pending.told = (reason, estimate)
            decisions.waiting.append((pending.job, reason, estimate))


def _moved(before: float | None, after: float | None) -> bool:
    """Whether an estimate has changed by enough to say so."""
    if before is None or after is None:
        return before is not after
    return abs(before - after) >= 1.0
