"""One queue: the jobs that wait in it, in the order of its policy."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from bourn_plugins.sched_graph.engine.policy import PolicyFault
from bourn_plugins.sched_graph.queue.guard import GuardedPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bourn.hookspecs.queue_policy import QueuePolicy
    from bourn.hookspecs.sched import AllocRequest
    from bourn_plugins.sched_graph.queue.planner import Planner
    from bourn_plugins.sched_graph.request import Request


@define(eq=False)
class Pending:
    """A job that waits."""

    job: AllocRequest
    request: Request
    key: Any
    gone: bool = False
    since: float = -1.0
    """When a pass first looked at it."""
    told: tuple[str, float | None] | None = None
    """What its annotation said last."""
    looked: int = 0
    """The number of the last pass that tried it."""
    start: float | None = None
    """When it starts at the latest, as that pass reserved it."""

    def __lt__(self, other: Pending) -> bool:
        return bool(self.key < other.key)

    @property
    def place(self) -> tuple[int, float, int]:
        """Its place among the jobs of other queues."""
        return (-self.job.priority, self.job.t_submit, self.job.id)


@define(eq=False)
class Line:
    """One queue: its policy, and its jobs in order."""

    policy: QueuePolicy
    planner: Planner
    jobs: list[Pending] = Factory(list)
    head: int = 0
    """The first that may still wait: jobs leave at the front, mostly."""
    gone: int = 0

    def insert(self, pending: Pending) -> None:
        """Put a job in its place."""
        jobs = self.jobs
        try:
            if not jobs or not pending < jobs[-1]:
                jobs.append(pending)
            else:
                insort(jobs, pending, lo=self.head)
        except TypeError as error:
            if not isinstance(self.policy, GuardedPolicy):
                raise
            self.policy.distrust(PolicyFault(f"keys can't be sorted: {error}"), "order")
            jobs.append(pending)
            self.sort()

    def sort(self) -> None:
        """Put all jobs in the order of the policy as it is now."""
        self.jobs = [pending for pending in self.jobs if not pending.gone]
        self.head = self.gone = 0
        for pending in self.jobs:
            pending.key = self.policy.order(pending.job)
        self.jobs.sort()

    def tidy(self) -> bool:
        """Drop what is gone where that is cheap; False if nobody waits."""
        jobs = self.jobs
        head, last = self.head, len(jobs)
        while head < last and jobs[head].gone:
            head += 1
        if 2 * (head + self.gone) > last:
            self.jobs = [pending for pending in jobs if not pending.gone]
            head = self.gone = 0
        self.head = head
        return head < len(self.jobs)

    def waiting(self) -> Iterator[Pending]:
        """Yield the jobs that wait, in order."""
        for place in range(self.head, len(self.jobs)):
            pending = self.jobs[place]
            if not pending.gone:
                yield pending
