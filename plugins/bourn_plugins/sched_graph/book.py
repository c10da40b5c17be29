"""The scheduler's book: pending jobs by queue, and what a pass decides. Pure: a clock reading in, decisions out."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, evolve

from bourn.hookspecs.queue_policy import Ask, Outcome
from bourn_plugins.sched_graph.planner import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.queue_policy import QueuePass, QueuePolicy
    from bourn.hookspecs.sched import AllocRequest
    from bourn_plugins.sched_graph.engine import Parts
    from bourn_plugins.sched_graph.planner import Planner
    from bourn_plugins.sched_graph.request import Request


@define(eq=False)
class Pending:
    """A job that waits."""

    job: AllocRequest
    request: Request
    key: Any
    gone: bool = False
    told: tuple[str, float | None] | None = None
    """What its annotation said last."""

    def __lt__(self, other: Pending) -> bool:
        return bool(self.key < other.key)


@define(eq=False)
class Line:
    """One queue: its policy, and its jobs in order."""

    policy: QueuePolicy
    jobs: list[Pending] = Factory(list)


@define(eq=False)
class Decisions:
    """What a pass decided."""

    started: list[tuple[AllocRequest, Parts, float, float]] = Factory(list)
    """(job, parts, start, end); an end of infinity is none."""
    waiting: list[tuple[AllocRequest, str, float | None]] = Factory(list)
    """(job, reason, estimated start), only where that is news."""


class Book:
    """Pending jobs, and passes over them.

    Queues are served side by side: of the jobs at their fronts, the one of the highest priority comes next, so that
    resources that queues share go by priority.
    """

    def __init__(
        self,
        planner: Planner,
        policy_of: Callable[[str], QueuePolicy],
        why: Callable[[Request], str],
        horizon: Callable[[], float] = lambda: FOREVER,
    ) -> None:
        self.planner = planner
        self._policy_of = policy_of
        self._why = why
        self._horizon = horizon
        """The end of the instance's own resources, on the clock of passes."""
        self._lines: dict[str, Line] = {}
        self._jobs: dict[int, Pending] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: int) -> bool:
        return job in self._jobs

    def add(self, job: AllocRequest, request: Request) -> None:
        """Take a job that waits; one of the same id is replaced."""
        self.remove(job.id)
        line = self._line(job.queue or "")
        pending = Pending(job, request, line.policy.order(job))
        self._jobs[job.id] = pending
        jobs = line.jobs
        if not jobs or not pending < jobs[-1]:
            jobs.append(pending)
        else:
            insort(jobs, pending)

    def remove(self, job: int) -> bool:
        """Forget a job; False if it isn't there."""
        pending = self._jobs.pop(job, None)
        if pending is None:
            return False
        # It stays in its line until the next pass, which sweeps once for all that are gone.
        pending.gone = True
        return True

    def prioritize(self, job: int, priority: int) -> None:
        """Change the priority of a job that waits."""
        pending = self._jobs.get(job)
        if pending is not None:
            self.add(evolve(pending.job, priority=priority), pending.request)

    def pending(self) -> list[AllocRequest]:
        """Return the jobs that wait, in no particular order."""
        return [pending.job for pending in self._jobs.values()]

    def _line(self, queue: str) -> Line:
        line = self._lines.get(queue)
        if line is None:
            line = self._lines[queue] = Line(self._policy_of(queue))
        return line

    def run(self, now: float) -> Decisions:
        """Make a pass."""
        decisions = Decisions()
        self.planner.begin(now)
        active: list[tuple[Line, QueuePass, int]] = []
        for line in self._lines.values():
            if any(pending.gone for pending in line.jobs):
                line.jobs = [pending for pending in line.jobs if not pending.gone]
            if line.jobs:
                active.append((line, line.policy.begin(), 0))
        if len(active) == 1:
            line, turn, _ = active[0]
            for pending in line.jobs:
                if not self._consider(pending, turn, now, decisions):
                    break
        else:
            self._merge(active, now, decisions)
        return decisions

    def _merge(self, active: list[tuple[Line, QueuePass, int]], now: float, decisions: Decisions) -> None:
        while active:
            best = min(range(len(active)), key=lambda i: active[i][0].jobs[active[i][2]])
            line, turn, place = active[best]
            if not self._consider(line.jobs[place], turn, now, decisions) or place + 1 == len(line.jobs):
                active.pop(best)
            else:
                active[best] = (line, turn, place + 1)

    def _consider(self, pending: Pending, turn: QueuePass, now: float, decisions: Decisions) -> bool:
        """Try one job; False if its queue's pass is over."""
        ask = turn.ask(pending.job)
        if ask is Ask.STOP:
            return False
        if ask is Ask.SKIP:
            return True
        request, planner = pending.request, self.planner
        horizon = self._horizon()
        duration = float(request.duration) if request.duration else horizon - now
        end = min(now + duration, horizon)
        parts = planner.fit_now(request, end - now)
        if parts is not None:
            planner.start(pending.job.id, parts, end)
            del self._jobs[pending.job.id]
            pending.gone = True
            decisions.started.append((pending.job, parts, now, end))
            turn.told(pending.job, Outcome.ALLOCATED)
            return True
        start: float | None = None
        outcome = Outcome.BUSY
        if ask is Ask.RESERVE:
            reservation = planner.reserve(pending.job.id, request, duration)
            if reservation is not None:
                outcome, start = Outcome.RESERVED, reservation.start
        turn.told(pending.job, outcome)
        self._tell(pending, start, decisions)
        return True

    def _tell(self, pending: Pending, start: float | None, decisions: Decisions) -> None:
        reason = self._why(pending.request)
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
