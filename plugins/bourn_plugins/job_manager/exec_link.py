"""The link to execution: jobs handed out, jobs that wait to be, and reports of what became of them."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs.exec_method import StartRequest
from bourn.model.states import State
from bourn_plugins.job_manager.job import ASKED_EXEC_CANCEL, ASKED_START, RELEASED, STARTED, Job
from bourn_plugins.job_manager.machine import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.hookspecs.exec_method import ExecEvent, Executor
    from bourn_plugins.job_manager.engine import Engine

log = logging.getLogger("bourn.job-manager")

_RUN = State.RUN


class ExecLink:
    """`ExecClient`. Jobs that are to start while nobody runs jobs wait here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.executor: Executor | None = None
        self.front: Executor | None = None
        """Stands before the executor, if set: it answers for some jobs itself and passes the others on."""
        self._unstarted: dict[int, Job] = {}

    def attach(self, executor: Executor) -> None:
        """Attach who runs jobs: it gets those that were handed out before, then those that wait."""
        self.executor = executor
        unstarted, self._unstarted = self._unstarted, {}
        starting = self._engine.starting()
        running = [
            job
            for job in self._engine.jobs.values()
            if job.asked & ASKED_START
            and not job.facts & RELEASED
            and job.id not in unstarted
            and job.id not in starting
        ]
        executor = self.front or executor
        executor.exec_hello(self, [(_request(job), bool(job.facts & STARTED)) for job in running])
        cancelled = [job.id for job in running if job.asked & ASKED_EXEC_CANCEL]
        if cancelled:
            executor.cancel(cancelled)
        self.start(list(unstarted.values()))

    def detach(self) -> None:
        """Nobody runs jobs now: starts, and what happens to running jobs, wait for the next one."""
        self.executor = None

    def start(self, jobs: list[Job]) -> None:
        """Hand out jobs whose allocation is durable."""
        executor = None if self.executor is None else self.front or self.executor
        handed = []
        for job in jobs:
            if job.facts & STARTED:
                continue  # who runs it has told of that already
            if job.state is not _RUN:
                # An exception came before the start; nobody has been told of the job.
                job.asked &= ~(ASKED_START | ASKED_EXEC_CANCEL)
                self._engine.pump(job)
            elif executor is None:
                self._unstarted[job.id] = job
            else:
                handed.append(job)
        if handed and executor is not None:
            try:
                executor.start([_request(job) for job in handed])
            except Exception as error:
                log.exception("execution failed to take jobs")
                self._not_taken(handed, error)

    def _not_taken(self, jobs: list[Job], error: Exception) -> None:
        note = f"job-exec failed: {type(error).__name__}: {error}"
        for job in jobs:
            if job.state is _RUN:
                job.asked &= ~ASKED_START
                # The exception comes first, so that the job isn't handed out again.
                self._engine.post(job, "exception", {"type": "exec", "severity": 0, "note": note})
        self._engine.kick()

    def cancel(self, jobs: list[Job]) -> None:
        """End jobs after an exception."""
        ids = []
        for job in jobs:
            if self._unstarted.pop(job.id, None) is not None:
                job.asked &= ~(ASKED_START | ASKED_EXEC_CANCEL)
                self._engine.pump(job)
            elif job.asked & ASKED_EXEC_CANCEL and not job.facts & RELEASED:
                ids.append(job.id)
        # If nobody runs jobs now, the next one is told after its hello.
        if ids and self.executor is not None:
            (self.front or self.executor).cancel(ids)

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Send signals to running jobs: (id, signal number)."""
        if self.executor is None:
            raise BournError("no module provides 'job-exec'", errno.ENOSYS)
        (self.front or self.executor).kill(jobs)

    def expiration(self, job: Job, expiration: float) -> None:
        """Move the end of a running job (epoch seconds, 0 = none)."""
        if self.executor is not None:
            (self.front or self.executor).expiration(job.id, expiration)

    def exec_report(
        self,
        events: Sequence[ExecEvent],
        logs: Sequence[tuple[int, str, str]],
        committed: Callable[[], None] | None = None,
        meta: Mapping[str, object] | None = None,
    ) -> None:
        """Take what happened to running jobs, with the output and the marks that belong to it."""
        engine = self._engine
        now = engine.now()
        engine.add_rows(logs, meta, committed)
        jobs = engine.jobs
        for event in events:
            job = jobs.get(event.id)
            if job is None:
                continue
            t = event.t
            if t > now or t < job.t_run:
                # Another node's clock is ahead, or behind the time of the allocation.
                t = min(max(t, job.t_run), now)
            try:
                engine.post(job, event.name, event.context or None, t)
            except IllegalEvent as error:
                log.error("job %d: execution reports: %s", job.id, error.message)
        engine.kick()


def _request(job: Job) -> StartRequest:
    assert job.R is not None
    return StartRequest(job.id, job.userid, job.spec, job.overrides, job.R, job.expiration, job.flags)
