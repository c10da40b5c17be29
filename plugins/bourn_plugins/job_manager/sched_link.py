"""The link to the scheduler (RFC 27): what it has been asked, what waits to be asked, and its answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bourn.hookspecs.sched import AllocRequest, FreeRequest, HelloJob
from bourn.model.states import State
from bourn_plugins.job_manager.job import ALLOC_BYPASS, ALLOCATED, ASKED_ALLOC, ASKED_ALLOC_CANCEL, Job
from bourn_plugins.job_manager.machine import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.hookspecs.sched import Scheduler
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.housekeeping import Housekeeping

log = logging.getLogger("bourn.job-manager")

_SCHED = State.SCHED


class SchedLink:
    """`SchedClient`. Without a scheduler, or while their queue is stopped, jobs wait here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.scheduler: Scheduler | None = None
        self.front: Scheduler | None = None
        """Stands before the scheduler, if set: it answers for some jobs itself and passes the others on."""
        self.lives: Callable[[Scheduler], bool] = lambda scheduler: True
        """Says whether an attached scheduler is still there."""
        self.keeper: Housekeeping | None = None
        """Takes over what a job gives back, if it has something to do there first; then `give_back`."""
        self._kept: set[int] = set()
        """Jobs whose resources it has, as the scheduler believes: one that is to run again has to wait."""
        self._ready = False
        self._waiting: dict[int, Job] = {}
        """Jobs that want resources and that the scheduler doesn't know."""
        self._asks: list[Job] = []
        """Those to ask for at the end of this turn, if their queue is started."""
        self._frees: list[FreeRequest] = []
        self._cancels: list[int] = []
        self._priorities: dict[int, int] = {}

    def __bool__(self) -> bool:
        """Say whether there is something to tell."""
        return bool(self._asks or self._frees or self._cancels or self._priorities)

    # From the engine

    def want(self, job: Job) -> None:
        """Ask for resources at the end of the turn."""
        self._waiting[job.id] = job
        self._asks.append(job)

    def unwant(self, job: Job) -> None:
        """Take a request back; what was asked is confirmed by `alloc_cancelled`."""
        if self._waiting.pop(job.id, None) is not None:
            job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
        else:
            self._cancels.append(job.id)

    def free(self, job: Job) -> None:
        """Give back what a job has. A scheduler that comes later isn't told of the job in its hello."""
        if job.R is None or job.flags & ALLOC_BYPASS or (self.front is None and job.handed_down):
            return
        if self.keeper is not None and self.keeper.take(job):
            self._kept.add(job.id)
            return
        if self.scheduler is None:
            return
        self._frees.append(FreeRequest(job.id, job.R))

    def give_back(self, free: FreeRequest) -> None:
        """Give back, later, what `keeper` has taken over: to a scheduler that knows of it."""
        if free.id in self._kept:
            if free.final:
                self._kept.discard(free.id)
                if free.id in self._waiting:  # it is to run again
                    self._asks.append(self._waiting[free.id])
            if self.scheduler is not None:
                self._frees.append(free)
            self._engine.kick()

    def prioritize(self, job: Job) -> None:
        """Tell a new priority of a job that was asked for."""
        if job.asked & ASKED_ALLOC and job.id not in self._waiting:
            self._priorities[job.id] = job.priority

    def withdraw(self, job: Job) -> None:
        """Undo all that was asked for a job that was never accepted."""
        if self._waiting.pop(job.id, None) is None and job.asked & ASKED_ALLOC:
            self._cancels.append(job.id)
        if job.facts & ALLOCATED:
            self.free(job)

    def ask_again(self, job: Job) -> None:
        """Have the scheduler look at a pending job anew, because its jobspec or queue has changed."""
        if (
            job.asked & ASKED_ALLOC
            and not job.asked & ASKED_ALLOC_CANCEL
            and job.state is _SCHED
            and job.id not in self._waiting
        ):
            job.asked |= ASKED_ALLOC_CANCEL
            self._cancels.append(job.id)
            self._engine.kick()

    def queues_changed(self) -> None:
        """Ask for jobs of queues that schedule; take back what was asked for those that don't."""
        self._asks = list(self._waiting.values())
        started = self._engine.queues.started
        for job in self._engine.jobs.values():
            if job.asked & ASKED_ALLOC and not started(job.queue):
                self.ask_again(job)
        self._engine.kick()

    def tell(self) -> bool:
        """Tell the scheduler everything, in one call of a kind; return whether it may answer by grants."""
        scheduler = self.scheduler
        if scheduler is None or not self._ready or not self:
            return False
        if not self.lives(scheduler):
            self.detach(scheduler)
            return False
        if self.front is not None:
            scheduler = self.front
        told = False
        try:
            if self._frees:
                frees, self._frees = self._frees, []
                scheduler.free(frees)
                told = True
            if self._cancels:
                cancels, self._cancels = self._cancels, []
                scheduler.cancel(cancels)
            if self._priorities:
                priorities, self._priorities = self._priorities, {}
                scheduler.prioritize(list(priorities.items()))
            if self._asks:
                asks, self._asks = self._asks, []
                requests = self._requests(asks)
                if requests:
                    scheduler.alloc(requests)
                    told = True
        except Exception:
            log.exception("the scheduler failed; it is detached, and jobs wait for the next one")
            self.detach()
            return False
        return told

    def _requests(self, jobs: list[Job]) -> list[AllocRequest]:
        waiting, kept = self._waiting, self._kept
        started = self._engine.queues.started
        requests = []
        for job in jobs:
            if job.id in waiting and job.id not in kept and started(job.queue):
                del waiting[job.id]
                requests.append(
                    AllocRequest(
                        job.id, job.priority, job.userid, job.t_submit, job.spec, job.overrides, job.queue
                    )
                )
        requests.sort(key=_order)
        return requests

    # From the scheduler

    def sched_hello(self, scheduler: Scheduler) -> list[HelloJob]:
        """Attach a scheduler; a former one is forgotten with all that was asked of it."""
        self.detach()
        self.scheduler = scheduler
        over = self.keeper.hello() if self.keeper is not None else []
        self._kept.update(job.id for job in over)
        return over + [
            HelloJob(job.id, job.R, job.priority, job.userid, job.t_run, job.spec)
            for job in self._engine.jobs.values()
            if job.facts & ALLOCATED
            and job.R is not None
            and not job.flags & ALLOC_BYPASS
            and not job.handed_down
        ]

    def sched_ready(self, scheduler: Scheduler) -> None:
        """Hand over all that waits, in order of priority."""
        if scheduler is self.scheduler:
            self._ready = True
            self.queues_changed()

    def detach(self, scheduler: Scheduler | None = None) -> None:
        """Forget the scheduler (this one, if given): its jobs wait for the next."""
        if scheduler is not None and scheduler is not self.scheduler:
            return
        self.scheduler = None
        self._ready = False
        self._frees.clear()
        self._kept.clear()
        self._cancels.clear()
        self._priorities.clear()
        for job in list(self._engine.jobs.values()):
            if job.asked & ASKED_ALLOC and job.id not in self._waiting:
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                self._engine.pump(job)
        self._engine.kick()

    def alloc_success(
        self,
        jobs: Sequence[tuple[int, dict[str, Any], dict[str, Any] | None]],
        times: Mapping[int, float] | None = None,
    ) -> None:
        """Take grants: (id, R, annotations or None); `times` says when they were made, where not now."""
        engine = self._engine
        engine.now()
        for id, R, notes in jobs:
            job = engine.jobs.get(id)
            if job is None or not job.asked & ASKED_ALLOC or id in self._waiting:
                self._frees.append(FreeRequest(id, R))
            elif job.state is not _SCHED:
                # Cancelled meanwhile.
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                self._frees.append(FreeRequest(id, R))
                engine.pump(job)
            else:
                job.R = R
                job.expiration = R["execution"].get("expiration") or 0.0
                if job.notes and "sched" in job.notes:
                    # What was said about its waiting is past.
                    job.notes = merge(job.notes, {"sched": None})
                t = times.get(id) if times else None
                engine.post(job, "alloc", {"annotations": notes} if notes else None, t)
        engine.kick()

    def alloc_deny(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Take refusals: (id, reason)."""
        engine = self._engine
        engine.now()
        for id, note in jobs:
            job = engine.jobs.get(id)
            if job is not None and job.asked & ASKED_ALLOC and id not in self._waiting:
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                if job.state is _SCHED:
                    engine.post(job, "exception", {"type": "alloc", "severity": 0, "note": note})
                else:
                    engine.pump(job)
        engine.kick()

    def alloc_cancelled(self, ids: Sequence[int]) -> None:
        """Take confirmations of what was cancelled."""
        engine = self._engine
        engine.now()
        for id in ids:
            job = engine.jobs.get(id)
            if job is not None and job.asked & ASKED_ALLOC_CANCEL and id not in self._waiting:
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                engine.pump(job)
        engine.kick()

    def annotate(self, jobs: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Take what the scheduler says about pending jobs: (id, annotations)."""
        engine = self._engine
        for id, notes in jobs:
            job = engine.jobs.get(id)
            if job is not None and job.state is _SCHED:
                engine.annotate_job(job, notes)


def _order(request: AllocRequest) -> tuple[int, float, int]:
    return (-request.priority, request.t_submit, request.id)
