"""The engine of the job manager: jobs, the turn, and what holds store, scheduler and execution together.

Inputs (submissions, replies of the scheduler, reports of execution, requests) are plain calls. Each makes
events happen and notes what follows; at the end of the loop's turn all of it is told to the scheduler and
written in one batch. Acknowledgements, starts and notifications follow the commit.

The engine has no task, socket or clock of its own: store, clock and "at the end of this turn" are given to
it.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError
from bourn.hookspecs.store import OUTPUT, RESOURCE_SET
from bourn.model.states import State
from bourn_plugins.job_manager.commits import Commits, safely
from bourn_plugins.job_manager.exec_link import ExecLink
from bourn_plugins.job_manager.job import ASKED_PRIORITY, Job
from bourn_plugins.job_manager.machine import MAX_PRIORITY, IllegalEvent, advance, apply, merge, why_again
from bourn_plugins.job_manager.sched_link import SchedLink
from bourn_plugins.job_manager.turn import Submission, Turn, job_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.hookspecs.store import ArrayRow, NewJob, Store
    from bourn_plugins.job_manager.arrays import ArrayDesk
    from bourn_plugins.job_manager.hooks import Hooks
    from bourn_plugins.job_manager.queues import Queues

log = logging.getLogger("bourn.job-manager")

_encode = msgspec.json.Encoder().encode
_SCHED = State.SCHED
_RUN = State.RUN
_INACTIVE = State.INACTIVE

DEPTH = 16
"""How many jobs deep one event may cause another before the rest is put off: a chain of dependencies is
long."""


def encode_json(value: Any) -> str:
    """Return compact JSON text."""
    return _encode(value).decode()


class Engine(Commits):
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
        super().__init__(store, soon)
        self.hooks = hooks
        self.queues = queues
        self.clock = clock
        self.jobs: dict[int, Job] = {}
        """Active jobs, and inactive ones until that is durable."""
        self.policy: Callable[[Job, float], int | None] = lambda job, now: job.urgency
        """The priority policy, asked when no plugin gives a priority."""
        self.on_gone: list[Callable[[Job], None]] = []
        """Told of each job that has become inactive, once that is durable."""
        self.arrays: ArrayDesk | None = None
        """Where the members of arrays are that are no jobs yet."""
        self.sched = SchedLink(self)
        self.exec = ExecLink(self)
        self.publish: Callable[[list[tuple[int, str, float]]], None] = lambda transitions: None
        """Told of durable changes of state (id, state, time), while `wanted` says so."""
        self.wanted: Callable[[], bool] = lambda: False
        self.standing: set[int] = set()
        """Active jobs that are parts of the instance itself, for which nobody waits when it is drained."""
        self.running = 0
        """How many jobs have had resources and are not inactive."""
        self._publishing = False
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
        self._publishing = self.wanted()
        return self._now

    def post(
        self, job: Job, name: str, context: dict[str, Any] | None = None, t: float | None = None
    ) -> None:
        """Make an event happen at `t` (now), and all that follows from it.

        If the job is in the middle of another event (the call comes from a plugin), this one waits for its
        turn. IllegalEvent when it can't happen; one that had to wait is logged and left out instead.
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
            if t is not None and t > self._now:
                # Another clock is ahead: what follows is not earlier.
                self._now = t
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
                self.sched.want(job)
            elif step == "ask-start":
                self._turn.starts.append(job)
            elif step == "priority":
                priority = self.priority_of(job)
                if priority is not None:
                    self._event(job, "priority", {"priority": priority}, self._now)
            elif step == "free":
                self.sched.free(job)
                self._event(job, "free", None, self._now)
            elif step == "cancel-alloc":
                self.sched.unwant(job)
            elif step == "retry":
                self._retry(job)
            elif step == "cancel-exec":
                self._turn.exec_cancels.append(job)
            else:
                self._event(job, step, None, self._now)

    def _event(self, job: Job, name: str, context: dict[str, Any] | None, t: float) -> None:
        if t != self._t:
            self._t = t
            # The same digits as repr's, in an eighth of its time.
            self._t_text = f'{{"timestamp":{encode_json(t)},"name":"'
        if context:
            try:
                line = f'{self._t_text}{name}","context":{_encode(context).decode()}}}\n'
            except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
                raise IllegalEvent(f"event '{name}': the context is not JSON: {error}") from None
        else:
            line = f'{self._t_text}{name}"}}\n'
        before = job.state
        apply(job, name, t, context)
        if not job.text:
            self._turn.dirty.append(job)
        job.text += line
        hooks = self.hooks
        if name in hooks.events:
            hooks.tell(hooks.events[name], job, name, context or {}, hooks.act)
        state = job.state
        if state is not before:
            if self._publishing:
                self._turn.transitions.append((job.id, state.name or "", t))
            if state is _RUN:
                self.running += 1
                if self.arrays:
                    self.arrays.allocated(job.id)
                self._turn.batch.logs.append((job.id, RESOURCE_SET, encode_json(job.R) + "\n"))
            elif state is _INACTIVE:
                if job.t_run:
                    self.running -= 1
                self._turn.batch.done.append(job_done(job, encode_json))
                self._turn.gone.append(job)
            subscribers = hooks.states.get(state)
            if subscribers:
                hooks.tell(subscribers, job, hooks.act)
        elif name == "priority":
            self.sched.prioritize(job)

    def _retry(self, job: Job) -> None:
        """Have a job that has ended run again. Its output goes on in the same log, after a mark."""
        context = {"attempt": job.retries + 2, "cause": why_again(job)}
        if job.t_run:
            self.running -= 1
            mark = encode_json({"timestamp": self._now, "name": "retry", "context": context})
            self._turn.batch.logs.append((job.id, OUTPUT, mark + "\n"))
        self._event(job, "retry", context, self._now)
        if self.arrays:
            self.arrays.retried(job.id)

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
        self,
        submission: Submission,
        rows: Sequence[NewJob],
        logs: Sequence[tuple[int, str, str]] = (),
        arrays: Sequence[ArrayRow] = (),
    ) -> None:
        """Take accepted jobs with their rows; `done` is called when they are durable."""
        turn = self._turn
        turn.batch.jobs.extend(rows)
        turn.batch.logs.extend(logs)
        turn.batch.arrays.extend(arrays)
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

    def _tell(self) -> bool:
        if self._later:
            self._catch_up()
        if self.arrays:
            self.arrays.top_up()
        return self.sched.tell()

    @property
    def _untold(self) -> bool:
        return bool(self.sched)

    def _follow_up(self, turn: Turn) -> None:
        if turn.transitions:
            safely(self.publish, turn.transitions)
        for job in turn.gone:
            self._forget(job)
        for submission in turn.submissions:
            if self.hooks.new:
                for job in submission.jobs:
                    if job.id in self.jobs and job.state is State.NEW:
                        self.accept(job)
            safely(submission.done, None)
        if turn.starts:
            self.exec.start(turn.starts)
        if turn.exec_cancels:
            self.exec.cancel(turn.exec_cancels)

    def _stop_jobs(self, turn: Turn) -> None:
        if turn.exec_cancels:
            # They stay on the list: one that hasn't been started yet is ended after its start.
            self.exec.cancel(turn.exec_cancels)

    def _withdraw(self, ids: set[int]) -> None:
        for job in [self.jobs.pop(id) for id in ids if id in self.jobs]:
            self.sched.withdraw(job)
            if job.t_run and job.state is not _INACTIVE:
                self.running -= 1
            self.hooks.tell(self.hooks.subscribers.get("destroy", ()), job)

    def _forget(self, job: Job) -> None:
        self.jobs.pop(job.id, None)
        self.standing.discard(job.id)
        for callback in self.on_gone:
            safely(callback, job)
        subscribers = self.hooks.subscribers
        if "inactive_add" in subscribers:
            self.hooks.tell(subscribers["inactive_add"], job)
        if "destroy" in subscribers:
            self.hooks.tell(subscribers["destroy"], job)

    # Odds and ends for the service

    def move_expiration(self, job: Job, expiration: float) -> str | None:
        """Move the end of a running job (epoch seconds, 0 = none): None, or why the scheduler refuses."""
        scheduler = self.sched.front or self.sched.scheduler
        reason = scheduler.expiration(job.id, expiration) if scheduler is not None else None
        if reason is None:
            self.post(job, "resource-update", {"expiration": expiration})
            self.exec.expiration(job, expiration)
        return reason

    def purge(self, ids: Sequence[int]) -> None:
        """Forget inactive jobs."""
        self._turn.batch.purge.extend(ids)
        subscribers = self.hooks.subscribers.get("inactive_remove", ())
        if subscribers:
            for id in ids:
                self.hooks.tell(subscribers, id)
        self.kick()

    def member(self, id: int) -> Job | None:
        """Make a member of an array that was no job yet into one; None if the id is of no such member."""
        return self.arrays.make(id) if self.arrays else None

    def find(self, id: int) -> Job:
        """Return an active job; ENOENT if there is none, EINVAL if the job has ended."""
        job = self.jobs.get(id) or self.member(id)
        if job is not None and job.state is not _INACTIVE:
            return job
        from bourn.model.jobid import JobID

        if job is not None or self.store.job(id) is not None:
            raise BournError(f"job {JobID(id)} is inactive", errno.EINVAL)
        array = self.store.array(id)
        if array is not None:
            raise BournError(is_array(array), errno.EINVAL)
        raise BournError(f"no such job {JobID(id)}", errno.ENOENT)


def is_array(array: ArrayRow) -> str:
    """Say that what was asked for is for single jobs."""
    from bourn.model.jobid import JobID

    id = JobID(array.id)
    if array.t_inactive:
        return f"job array {id} has ended; its members are {id}[{array.members}]"
    return f"{id} is a job array: name one of its members, {id}[{array.members}]"
