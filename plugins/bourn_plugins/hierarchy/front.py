"""What stands before the scheduler and the executor: jobs of children go to the overseer, others on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.hookspecs.exec_method import ExecClient, Executor, StartRequest
    from bourn.hookspecs.sched import AllocRequest, FreeRequest, Scheduler
    from bourn_plugins.hierarchy.overseer import Overseer
    from bourn_plugins.job_manager.exec_link import ExecLink
    from bourn_plugins.job_manager.sched_link import SchedLink


class SchedFront:
    """A `bourn.hookspecs.sched.Scheduler` before another one."""

    def __init__(self, link: SchedLink, overseer: Overseer) -> None:
        self._link = link
        self._overseer = overseer

    @property
    def _scheduler(self) -> Scheduler:
        assert self._link.scheduler is not None
        return self._link.scheduler

    def alloc(self, jobs: Sequence[AllocRequest]) -> None:
        """Take requests."""
        if left := self._overseer.take(jobs):
            self._scheduler.alloc(left)

    def free(self, jobs: Sequence[FreeRequest]) -> None:
        """Take resources back."""
        if left := [job for job in jobs if not self._overseer.freed(job.id)]:
            self._scheduler.free(left)

    def cancel(self, ids: Sequence[int]) -> None:
        """Forget requests."""
        if left := self._overseer.recall(ids):
            self._scheduler.cancel(left)

    def prioritize(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Take changed priorities."""
        if left := self._overseer.prioritize(jobs):
            self._scheduler.prioritize(left)

    def expiration(self, id: int, t: float) -> str | None:
        """Agree to the end of a running job; a child's is that of this instance's resources."""
        if not self._overseer.has(id):
            return self._scheduler.expiration(id, t)
        end = self._overseer.expiration()
        return "the instance ends before that" if end and not 0 < t <= end else None

    def feasibility(self, jobspec: dict[str, Any]) -> str | None:
        """Say why a jobspec could never run."""
        return self._scheduler.feasibility(jobspec)


class ExecFront:
    """A `bourn.hookspecs.exec_method.Executor` before another one."""

    def __init__(self, link: ExecLink, overseer: Overseer) -> None:
        self._link = link
        self._overseer = overseer

    @property
    def _executor(self) -> Executor:
        assert self._link.executor is not None
        return self._link.executor

    def exec_hello(self, client: ExecClient, running: Sequence[tuple[StartRequest, bool]]) -> None:
        """Leave out what children run."""
        has = self._overseer.has
        self._executor.exec_hello(client, [job for job in running if not has(job[0].id)])

    def start(self, jobs: Sequence[StartRequest]) -> None:
        """Run jobs."""
        if left := [job for job in jobs if not self._overseer.release(job.id)]:
            self._executor.start(left)

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Send signals."""
        left = []
        for id, signum in jobs:
            if self._overseer.has(id):
                self._overseer.kill(id, signum)
            else:
                left.append((id, signum))
        if left:
            self._executor.kill(left)

    def cancel(self, ids: Sequence[int]) -> None:
        """End jobs."""
        left = []
        for id in ids:
            if self._overseer.has(id):
                self._overseer.end(id)
            else:
                left.append(id)
        if left:
            self._executor.cancel(left)

    def expiration(self, id: int, t: float) -> None:
        """Move the end of a running job."""
        if self._overseer.has(id):
            self._overseer.move_expiration(id, t)
        else:
            self._executor.expiration(id, t)
