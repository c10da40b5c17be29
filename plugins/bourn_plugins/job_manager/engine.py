"""The engine of the job manager: jobs, the turn, and the links to store, scheduler and execution.

Inputs (submissions, replies of the scheduler, reports of execution, requests) are plain calls. Each makes
events happen
and notes what follows; at the end of the loop's turn all of it is told to the scheduler and written in one
batch.
Acknowledgements, starts and notifications follow the commit. While a commit runs the next batch grows, and
exactly one
is being written: should it fail, it can be written again before anything later, so no eventlog is ever out
of order.

The engine has no task, socket or clock of its own: store, clock and "at the end of this turn" are given to
it.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError
from bourn.hookspecs.exec_method import StartRequest
from bourn.hookspecs.sched import AllocRequest, FreeRequest, HelloJob
from bourn.hookspecs.store import RESOURCE_SET
from bourn.model.states import State
from bourn_plugins.job_manager.job import (
    ALLOC_BYPASS,
    ALLOCATED,
    ASKED_ALLOC,
    ASKED_ALLOC_CANCEL,
    ASKED_EXEC_CANCEL,
    ASKED_PRIORITY,
    ASKED_START,
    RELEASED,
    STARTED,
    Job,
)
from bourn_plugins.job_manager.machine import MAX_PRIORITY, IllegalEvent, advance, apply, merge
from bourn_plugins.job_manager.turn import Submission, Turn, job_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.hookspecs.exec_method import ExecEvent, Executor
    from bourn.hookspecs.sched import Scheduler
    from bourn.hookspecs.store import JobUpdate, NewJob, Store
    from bourn_plugins.job_manager.hooks import Hooks
    from bourn_plugins.job_manager.queues import Queues

log = logging.getLogger("bourn.job-manager")

_encode = msgspec.json.Encoder().encode
_SCHED = State.SCHED
_RUN = State.RUN
_CLEANUP = State.CLEANUP
_INACTIVE = State.INACTIVE

DEPTH = 16
"""How many jobs deep one event may cause another before the rest is put off: a chain of dependencies is
long."""

RETRY = 1.0
"""Seconds after which a batch that could not be written is tried again."""


def encode_json(value: Any) -> str:
    """Return compact JSON text."""
    return _encode(value).decode()


class Engine:
    """All active jobs, and what happens to them.

    Args:
        store: where batches go.
        hooks: the job plugins.
        queues: which queues there are, and whether they schedule.
        clock: seconds since the epoch.
        soon: runs a callback at the end of this turn of the loop, once.
    """

    def __init__(
        self,
        store: Store,
        hooks: Hooks,
        queues: Queues,
        clock: Callable[[], float],
        soon: Callable[[Callable[[], None]], None],
    ) -> None:
        self.store = store
        self.hooks = hooks
        self.queues = queues
        self.clock = clock
        self.jobs: dict[int, Job] = {}
        """Active jobs, and inactive ones until that is durable."""
        self.policy: Callable[[Job, float], int | None] = lambda job, now: job.urgency
        """The priority policy, asked when no plugin gives a priority."""
        self.watchers: list[Callable[[Sequence[tuple[int, str, str]]], None]] = []
        """Told of the journal's new rows (id, log name, lines) once they are durable."""
        self.on_gone: list[Callable[[Job], None]] = []
        """Told of each job that has become inactive, once that is durable."""
        self.scheduler: Scheduler | None = None
        self.executor: Executor | None = None
        self.scheduler_lives: Callable[[Scheduler], bool] = lambda scheduler: True
        """Says whether an attached scheduler is still there."""
        self.timer_changed: Callable[[], None] = lambda: None
        """Called when `retry_at` is set."""
        self.running = 0
        """How many jobs have had resources and are not inactive."""
        self.stuck: BournError | None = None
        """Why the last batch could not be written; new work is refused until it could be."""
        self.retry_at = 0.0
        self.commits = 0
        self._soon = soon
        self._ready = False
        self._turn = Turn()
        self._inflight: Turn | None = None
        self._quiet: list[Callable[[], None]] = []
        # Not told to the scheduler yet: its absence, a stopped queue, or the end of the turn is awaited.
        self._waiting: dict[int, Job] = {}
        self._asks: list[Job] = []
        self._frees: list[FreeRequest] = []
        self._alloc_cancels: list[int] = []
        self._priorities: dict[int, int] = {}
        self._unstarted: dict[int, Job] = {}
        self._later: list[tuple[Job, str, dict[str, Any] | None]] = []
        self._depth = 0
        self._now = clock()
        self._t = 0.0
        self._t_text = ""

    # Events

    def now(self) -> float:
        """Read the clock for a new input; never earlier than before."""
        now = self.clock()
        if now > self._now:
            self._now = now
        return self._now

    def post(
        self, job: Job, name: str, context: dict[str, Any] | None = None, t: float | None = None
    ) -> None:
        """Make an event happen, and all that follows from it.

        If the job is in the middle of another event (the call comes from a plugin), this one waits for its
        turn.
        IllegalEvent when it can't happen; one that had to wait is logged and left out instead.
        """
        if job.queued is not None:
            job.queued.append((name, context))
            return
        if self._depth > DEPTH:
            self._later.append((job, name, context))
            return
        self._depth += 1
        job.queued = []
        try:
            self._event(job, name, context, self._now if t is None else t)
            self._follow(job)
        finally:
            job.queued = None
            self._depth -= 1
        if self._later and not self._depth:
            self._catch_up()

    def pump(self, job: Job) -> None:
        """Have a job go on after something that it waited for, other than an event, has changed."""
        if job.queued is None:
            job.queued = []
            try:
                self._follow(job)
            finally:
                job.queued = None

    def _catch_up(self) -> None:
        """Post what a long chain of jobs, each of which ended the next, has left."""
        while self._later:
            later, self._later = self._later, []
            for job, name, context in later:
                try:
                    self.post(job, name, context)
                except IllegalEvent as error:
                    log.error("job %d: %s", job.id, error.message)

    def _follow(self, job: Job) -> None:
        queued = job.queued
        assert queued is not None
        while True:
            if queued:
                name, context = queued.pop(0)
                try:
                    self._event(job, name, context, self._now)
                except IllegalEvent as error:
                    log.error("job %d: %s", job.id, error.message)
                continue
            step = advance(job)
            if step is None:
                return
            if step == "ask-alloc":
                self._waiting[job.id] = job
                self._asks.append(job)
            elif step == "ask-start":
                self._turn.starts.append(job)
            elif step == "priority":
                priority = self.priority_of(job)
                if priority is not None:
                    self._event(job, "priority", {"priority": priority}, self._now)
            elif step == "free":
                # A scheduler that comes later isn't told of this job in its hello.
                if self.scheduler is not None and not job.flags & ALLOC_BYPASS:
                    assert job.R is not None
                    self._frees.append(FreeRequest(job.id, job.R))
                self._event(job, "free", None, self._now)
            elif step == "cancel-alloc":
                self._cancel_alloc(job)
            elif step == "cancel-exec":
                self._turn.exec_cancels.append(job)
            else:
                self._event(job, step, None, self._now)

    def _event(self, job: Job, name: str, context: dict[str, Any] | None, t: float) -> None:
        before = job.state
        apply(job, name, t, context)
        if t != self._t:
            self._t = t
            self._t_text = f'{{"timestamp":{t!r},"name":"'
        if not job.text:
            self._turn.dirty.append(job)
        if context:
            job.text += f'{self._t_text}{name}","context":{_encode(context).decode()}}}\n'
        else:
            job.text += f'{self._t_text}{name}"}}\n'
        hooks = self.hooks
        if name in hooks.events:
            hooks.tell(hooks.events[name], job, name, context or {}, hooks.act)
        state = job.state
        if state is not before:
            if state is _RUN:
                self.running += 1
                self._turn.batch.logs.append((job.id, RESOURCE_SET, encode_json(job.R) + "\n"))
            elif state is _INACTIVE:
                if job.t_run:
                    self.running -= 1
                self._turn.batch.done.append(job_done(job, encode_json))
                self._turn.gone.append(job)
            if hooks.states:
                subscribers = hooks.states.get(state.name.lower())  # type: ignore[union-attr]
                if subscribers:
                    hooks.tell(subscribers, job, hooks.act)
        elif name == "priority" and job.asked & ASKED_ALLOC and job.id not in self._waiting:
            self._priorities[job.id] = job.priority

    def priority_of(self, job: Job) -> int | None:
        """Return the priority of a job: held, expedited, by a plugin, or by the policy; None: not known
        yet."""
        if job.urgency == 0:
            return 0
        if job.urgency == 31:
            return MAX_PRIORITY
        if self.hooks.priority_get:
            priority = self.hooks.priority(job)
            if priority is not None:
                return min(max(priority, 0), MAX_PRIORITY)
        return self.policy(job, self._now)

    def reprioritize(self, jobs: Iterable[Job]) -> None:
        """Compute priorities anew; only changes become events."""
        for job in jobs:
            if job.state is _SCHED:
                priority = self.priority_of(job)
                if priority is not None and priority != job.priority:
                    self.post(job, "priority", {"priority": priority})
            elif job.state is State.PRIORITY:
                job.asked &= ~ASKED_PRIORITY
                self.pump(job)
        self.kick()

    def annotate_job(self, job: Job, notes: Mapping[str, Any]) -> None:
        """Merge annotations; they are kept with the job when it ends."""
        job.notes = merge(job.notes, notes)

    # Submission

    def submit(
        self, submission: Submission, rows: Sequence[NewJob], logs: Sequence[tuple[int, str, str]] = ()
    ) -> None:
        """Take accepted jobs with their rows; `done` is called when they are durable."""
        if self.stuck is not None:
            submission.done(self.stuck)
            return
        turn = self._turn
        turn.batch.jobs.extend(rows)
        turn.batch.logs.extend(logs)
        turn.submissions.append(submission)
        wait = bool(self.hooks.new)
        for job in submission.jobs:
            self.jobs[job.id] = job
            # What plugins posted while the job was checked comes after its acceptance.
            posted, job.queued = job.queued, []
            context = {"userid": job.userid, "urgency": job.urgency, "flags": job.flags, "version": 1}
            self._event(job, "submit", context, job.t_submit)
            if wait:
                # `new` is promised a durable job, so acceptance waits for the commit.
                job.queued = posted or []
                continue
            job.queued.append(("validate", None))
            if posted:
                job.queued += posted
            self._follow(job)
            job.queued = None
        self.kick()

    def accept(self, job: Job) -> None:
        """Call `new`, then let the job begin its life."""
        posted, job.queued = job.queued, []
        self.hooks.tell(self.hooks.new, job, self.hooks.act)
        added, job.queued = job.queued, None
        first = [("validate", None), *(posted or ()), *added]
        job.queued = first
        try:
            self._follow(job)
        finally:
            job.queued = None

    # The turn

    def kick(self) -> None:
        """See to it that what was noted is told and written at the end of this turn."""
        self._soon(self.flush)

    def flush(self) -> None:
        """End the turn: tell the scheduler, and write unless a commit runs."""
        if self._later:
            self._catch_up()
        self._tell_scheduler()
        if self._inflight is None and self._turn:
            turn, self._turn = self._turn, Turn()
            self._inflight = turn
            self.store.write(turn.seal(), self._committed)

    def when_committed(self, callback: Callable[[], None]) -> None:
        """Call back once all that has happened up to now is durable."""
        self._turn.committed.append(callback)
        self.kick()

    def when_quiet(self, callback: Callable[[], None]) -> None:
        """Call back, at once if possible, when what is durable is exactly what watchers have been told."""
        if self._inflight is None:
            callback()
        else:
            self._quiet.append(callback)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written."""
        return self._inflight is None and not self._turn

    def _committed(self, error: BournError | None) -> None:
        turn = self._inflight
        assert turn is not None
        if error is not None:
            self._failed(turn, error)
            return
        self._inflight = None
        self.commits += 1
        if self.stuck is not None:
            log.warning("the store can be written again")
            self.stuck = None
        self.now()
        if turn.batch.logs:
            for watcher in self.watchers:
                watcher(turn.batch.logs)
        for job in turn.gone:
            self._forget(job)
        for submission in turn.submissions:
            if self.hooks.new:
                for job in submission.jobs:
                    if job.id in self.jobs and job.state is State.NEW:
                        self.accept(job)
            submission.done(None)
        if turn.starts:
            self._start(turn.starts)
        if turn.exec_cancels:
            self._cancel_exec(turn.exec_cancels)
        for callback in turn.committed:
            callback()
        quiet, self._quiet = self._quiet, []
        for callback in quiet:
            callback()
        if self._turn or self._asks or self._frees or self._alloc_cancels:
            self.kick()

    def _failed(self, turn: Turn, error: BournError) -> None:
        """Refuse what was to be accepted; keep everything else and write it again later, before anything
        new."""
        if self.stuck is None:
            log.error("the store can't be written: %s", error.message)
        self.stuck = BournError(f"job can't be accepted: {error.message}", error.errnum)
        submissions = [*turn.submissions, *self._turn.submissions]
        turn.submissions.clear()
        self._turn.submissions.clear()
        ids = {job.id for submission in submissions for job in submission.jobs}
        if ids:
            turn.drop(ids)
            self._turn.drop(ids)
            self._withdraw([self.jobs.pop(id) for id in ids if id in self.jobs])
        # A job must be stoppable on a full disk; what stopped it is written when that is possible again.
        self._cancel_exec(turn.exec_cancels)
        turn.exec_cancels.clear()
        if turn:
            self.retry_at = self.now() + RETRY
            self.timer_changed()
        else:
            self._inflight = None
            self.stuck = None
            self.kick()
        for submission in submissions:
            submission.done(BournError(f"job can't be accepted: {error.message}", error.errnum))

    def retry(self) -> None:
        """Try again to write the batch that failed."""
        self.retry_at = 0.0
        if self.stuck is not None and self._inflight is not None:
            self.store.write(self._inflight.batch, self._committed)

    def _withdraw(self, jobs: list[Job]) -> None:
        for job in jobs:
            if self._waiting.pop(job.id, None) is None and job.asked & ASKED_ALLOC:
                self._alloc_cancels.append(job.id)
            if job.R is not None and job.facts & ALLOCATED and not job.flags & ALLOC_BYPASS:
                self._frees.append(FreeRequest(job.id, job.R))
            self.hooks.tell(self.hooks.subscribers.get("destroy", ()), job)

    def _forget(self, job: Job) -> None:
        self.jobs.pop(job.id, None)
        for callback in self.on_gone:
            callback(job)
        subscribers = self.hooks.subscribers
        if "inactive_add" in subscribers:
            self.hooks.tell(subscribers["inactive_add"], job)
        if "destroy" in subscribers:
            self.hooks.tell(subscribers["destroy"], job)

    # The scheduler

    def sched_hello(self, scheduler: Scheduler) -> list[HelloJob]:
        """Attach a scheduler; a former one is forgotten with all that was asked of it."""
        self.sched_detach()
        self.scheduler = scheduler
        return [
            HelloJob(job.id, job.R, job.priority, job.userid, job.t_run, job.spec)
            for job in self.jobs.values()
            if job.facts & ALLOCATED and job.R is not None and not job.flags & ALLOC_BYPASS
        ]

    def sched_ready(self, scheduler: Scheduler) -> None:
        """Hand over all that waits, in order of priority."""
        if scheduler is self.scheduler:
            self._ready = True
            self.queues_changed()

    def sched_detach(self, scheduler: Scheduler | None = None) -> None:
        """Forget the scheduler (this one, if given): its jobs wait for the next."""
        if scheduler is not None and scheduler is not self.scheduler:
            return
        self.scheduler = None
        self._ready = False
        for job in list(self.jobs.values()):
            if job.asked & ASKED_ALLOC and job.id not in self._waiting:
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                self.pump(job)
        self._frees.clear()
        self._alloc_cancels.clear()
        self._priorities.clear()
        self.kick()

    def queues_changed(self) -> None:
        """Ask for jobs of queues that schedule; take back what was asked for those that don't."""
        self._asks = list(self._waiting.values())
        for job in self.jobs.values():
            if (
                job.asked & ASKED_ALLOC
                and not job.asked & ASKED_ALLOC_CANCEL
                and job.id not in self._waiting
                and not self.queues.started(job.queue)
            ):
                job.asked |= ASKED_ALLOC_CANCEL
                self._alloc_cancels.append(job.id)
        self.kick()

    def _cancel_alloc(self, job: Job) -> None:
        if self._waiting.pop(job.id, None) is not None:
            job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
        else:
            self._alloc_cancels.append(job.id)

    def _tell_scheduler(self) -> None:
        scheduler = self.scheduler
        if scheduler is None or not self._ready:
            return
        if not self.scheduler_lives(scheduler):
            self.sched_detach(scheduler)
            return
        try:
            if self._frees:
                frees, self._frees = self._frees, []
                scheduler.free(frees)
            if self._alloc_cancels:
                cancels, self._alloc_cancels = self._alloc_cancels, []
                scheduler.cancel(cancels)
            if self._priorities:
                priorities, self._priorities = self._priorities, {}
                scheduler.prioritize(list(priorities.items()))
            if self._asks:
                asks, self._asks = self._asks, []
                self._ask(scheduler, asks)
        except Exception:
            log.exception("the scheduler failed; it is detached, and jobs wait for the next one")
            self.sched_detach(scheduler)

    def _ask(self, scheduler: Scheduler, jobs: list[Job]) -> None:
        waiting = self._waiting
        started = self.queues.started
        requests = []
        for job in jobs:
            if job.id in waiting and started(job.queue):
                del waiting[job.id]
                requests.append(
                    AllocRequest(
                        job.id, job.priority, job.userid, job.t_submit, job.spec, job.overrides, job.queue
                    )
                )
        if requests:
            requests.sort(key=_order)
            scheduler.alloc(requests)

    def alloc_success(self, jobs: Sequence[tuple[int, dict[str, Any], dict[str, Any] | None]]) -> None:
        """Take grants: (id, R, annotations or None)."""
        self.now()
        for id, R, notes in jobs:
            job = self.jobs.get(id)
            if job is None or not job.asked & ASKED_ALLOC:
                self._frees.append(FreeRequest(id, R))
            elif job.state is not _SCHED:
                # Cancelled meanwhile.
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                self._frees.append(FreeRequest(id, R))
                self.pump(job)
            else:
                job.R = R
                job.expiration = R["execution"].get("expiration") or 0.0
                job.notes = _without_reason(job.notes)
                self.post(job, "alloc", {"annotations": notes} if notes else None)
        self.kick()

    def alloc_deny(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Take refusals: (id, reason)."""
        self.now()
        for id, note in jobs:
            job = self.jobs.get(id)
            if job is not None and job.asked & ASKED_ALLOC:
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                if job.state is _SCHED:
                    self.post(job, "exception", {"type": "alloc", "severity": 0, "note": note})
                else:
                    self.pump(job)
        self.kick()

    def alloc_cancelled(self, ids: Sequence[int]) -> None:
        """Take confirmations of what was cancelled."""
        self.now()
        for id in ids:
            job = self.jobs.get(id)
            if job is not None and job.asked & ASKED_ALLOC_CANCEL:
                job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
                self.pump(job)
        self.kick()

    def annotate(self, jobs: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Take what the scheduler says about pending jobs: (id, annotations)."""
        for id, notes in jobs:
            job = self.jobs.get(id)
            if job is not None and job.state is _SCHED:
                self.annotate_job(job, notes)

    # Execution

    def exec_attach(self, executor: Executor) -> None:
        """Attach who runs jobs: it gets those that were handed out before, then those that wait."""
        self.executor = executor
        unstarted, self._unstarted = self._unstarted, {}
        starting = {job.id for turn in (self._turn, self._inflight) if turn for job in turn.starts}
        running = [
            job
            for job in self.jobs.values()
            if job.asked & ASKED_START
            and not job.facts & RELEASED
            and job.id not in unstarted
            and job.id not in starting
        ]
        executor.exec_hello(self, [(self._start_request(job), bool(job.facts & STARTED)) for job in running])
        cancelled = [job.id for job in running if job.asked & ASKED_EXEC_CANCEL]
        if cancelled:
            executor.cancel(cancelled)
        self._start(list(unstarted.values()))

    def exec_detach(self) -> None:
        """Nobody runs jobs now: starts, and what happens to running jobs, wait for the next one."""
        self.executor = None

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Send signals to running jobs: (id, signal number)."""
        if self.executor is None:
            raise BournError("no module provides 'job-exec'", errno.ENOSYS)
        self.executor.kill(jobs)

    def move_expiration(self, job: Job, expiration: float) -> str | None:
        """Move the end of a running job (epoch seconds, 0 = none): None, or why the scheduler refuses."""
        if self.scheduler is not None:
            reason = self.scheduler.expiration(job.id, expiration)
            if reason is not None:
                return reason
        self.post(job, "resource-update", {"expiration": expiration})
        if self.executor is not None:
            self.executor.expiration(job.id, expiration)
        return None

    def exec_report(
        self,
        events: Sequence[ExecEvent],
        logs: Sequence[tuple[int, str, str]],
        committed: Callable[[], None] | None = None,
    ) -> None:
        """Take what happened to running jobs, with the output that belongs to it."""
        self.now()
        turn = self._turn
        if logs:
            turn.batch.logs.extend(logs)
        jobs = self.jobs
        for event in events:
            job = jobs.get(event.id)
            if job is None:
                continue
            if job.queued is not None:
                job.queued.append((event.name, event.context or None))
                continue
            job.queued = []
            try:
                self._event(job, event.name, event.context or None, event.t)
                # The exec's clock may be ahead of this turn's reading: what follows is not earlier.
                if event.t > self._now:
                    self._now = event.t
                self._follow(job)
            except IllegalEvent as error:
                log.error("job %d: execution reports: %s", job.id, error.message)
            finally:
                job.queued = None
        if committed is not None:
            turn.committed.append(committed)
        self.kick()

    def _start(self, jobs: list[Job]) -> None:
        executor = self.executor
        requests = []
        for job in jobs:
            if job.state is not _RUN:
                # An exception came before the start; nobody has been told of the job.
                job.asked &= ~(ASKED_START | ASKED_EXEC_CANCEL)
                self.pump(job)
            elif executor is None:
                self._unstarted[job.id] = job
            else:
                requests.append(self._start_request(job))
        if requests and executor is not None:
            executor.start(requests)

    def _cancel_exec(self, jobs: list[Job]) -> None:
        ids = []
        for job in jobs:
            if self._unstarted.pop(job.id, None) is not None:
                job.asked &= ~(ASKED_START | ASKED_EXEC_CANCEL)
                self.pump(job)
            elif job.asked & ASKED_EXEC_CANCEL and not job.facts & RELEASED:
                ids.append(job.id)
        # If nobody runs jobs now, the next one is told after its hello.
        if ids and self.executor is not None:
            self.executor.cancel(ids)

    def _start_request(self, job: Job) -> StartRequest:
        assert job.R is not None
        return StartRequest(job.id, job.userid, job.spec, job.overrides, job.R, job.expiration, job.flags)

    # Odds and ends for the service

    def feasibility(self, jobspec: dict[str, Any]) -> str | None:
        """Ask the scheduler whether a jobspec could ever run: None, or why not."""
        return None if self.scheduler is None else self.scheduler.feasibility(jobspec)

    def update_row(self, update: JobUpdate) -> None:
        """Have columns of an active job follow an event."""
        self._turn.batch.updates.append(update)
        self.kick()

    def write_meta(self, key: str, value: Any) -> None:
        """Keep a named value."""
        self._turn.batch.meta[key] = value
        self.kick()

    def purge(self, ids: Sequence[int]) -> None:
        """Forget inactive jobs."""
        self._turn.batch.purge.extend(ids)
        subscribers = self.hooks.subscribers.get("inactive_remove", ())
        if subscribers:
            for id in ids:
                self.hooks.tell(subscribers, id)
        self.kick()

    def ask_again(self, job: Job) -> None:
        """Have the scheduler look at a pending job anew, because its jobspec has changed."""
        if (
            job.state is _SCHED
            and job.asked & ASKED_ALLOC
            and not job.asked & ASKED_ALLOC_CANCEL
            and job.id not in self._waiting
        ):
            job.asked |= ASKED_ALLOC_CANCEL
            self._alloc_cancels.append(job.id)
            self.kick()

    def find(self, id: int) -> Job:
        """Return an active job; ENOENT if there is none, EINVAL if the job has ended."""
        job = self.jobs.get(id)
        if job is not None and job.state is not _INACTIVE:
            return job
        from bourn.model.jobid import JobID

        if job is not None or self.store.job(id) is not None:
            raise BournError(f"job {JobID(id)} is inactive", errno.EINVAL)
        raise BournError(f"no such job {JobID(id)}", errno.ENOENT)


def _order(request: AllocRequest) -> tuple[int, float, int]:
    return (-request.priority, request.t_submit, request.id)


def _without_reason(notes: dict[str, Any] | None) -> dict[str, Any] | None:
    """Drop what the scheduler said about waiting."""
    if notes and "sched" in notes:
        return merge(notes, {"sched": None})
    return notes
