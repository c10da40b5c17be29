"""Requests about single jobs: urgency, exceptions, signals, updates, memos, waiting."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from attrs import evolve

from bourn.broker.module import ANYONE, LATER, Request, method
from bourn.broker.request import is_int
from bourn.errors import BournError
from bourn.hookspecs.job_plugins import UpdateVerdict
from bourn.hookspecs.store import JobUpdate
from bourn.model.jobid import JobID
from bourn.model.overrides import LABELS, apply_overrides
from bourn.model.states import State
from bourn_plugins.job_manager.arrays import counts_of
from bourn_plugins.job_manager.base import PRIVILEGED, EngineModule
from bourn_plugins.job_manager.job import IMMUTABLE, STARTED, Job

if TYPE_CHECKING:
    from bourn.broker.request import Later
    from bourn_plugins.job_manager.arrays import ArrayDesk, JobArray
    from bourn_plugins.job_manager.waiting import WaitRoom

DURATION = "attributes.system.duration"
QUEUE = "attributes.system.queue"
_COLUMNS = {
    DURATION: "duration",
    QUEUE: "queue",
    "attributes.system.job.name": "name",
    "attributes.system.bank": "bank",
    "attributes.system.project": "project",
}
"""Jobspec keys that are columns of the database."""


class JobMethods(EngineModule):
    """The part of the service that acts upon jobs."""

    waiting: WaitRoom
    arrays: ArrayDesk

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._array_waiters: dict[int, list[Request]] = {}

    def array_for(self, request: Request, id: int) -> JobArray | None:
        """Return an array that has members left and that the sender may act upon; None for any other id."""
        array = self.arrays.arrays.get(id)
        if array is not None and not request.rolemask & PRIVILEGED and request.userid != array.userid:
            raise BournError(
                f"array {JobID(id)} belongs to user {array.userid}, not to user {request.userid}", errno.EPERM
            )
        return array

    def array_ended(self, array: JobArray) -> None:
        """Answer those who wait for an array."""
        for request in self._array_waiters.pop(array.id, ()):
            request.respond(array_report(array.id, array.counts))

    def _ended_array(self, id: int | None) -> dict[str, Any] | None:
        store = self.engine.store
        row = store.array(id) if id else None
        return None if row is None or not row.t_inactive else array_report(row.id, counts_of(row, store))

    @method(allow=ANYONE)
    def urgency(self, request: Request) -> Later:
        """Set the urgency of a pending job or array: {id, urgency} -> {old_urgency}.

        0 holds, 31 expedites; guests may go up to 16.
        """
        id = request.get("id", int)
        array = self.array_for(request, id)
        job = None if array else self.job_for(request, id)
        urgency = request.get("urgency", int)
        if not 0 <= urgency <= 31:
            raise BournError(f"urgency {urgency} is not from 0 to 31")
        if urgency > 16 and not request.rolemask & PRIVILEGED:
            raise BournError("only the instance's owner can set an urgency above 16", errno.EPERM)
        if array is not None:
            old = array.urgency
            self.arrays.set_urgency(array, urgency, request.userid)
            return self.answer_when_durable(request, {"old_urgency": old})
        assert job is not None
        if job.state not in State.PENDING:
            raise BournError(f"job {JobID(job.id)} has its resources already: urgency has no effect")
        old = job.urgency
        self.post(job, "urgency", {"urgency": urgency, "userid": request.userid})
        self.engine.reprioritize([job])
        return self.answer_when_durable(request, {"old_urgency": old})

    @method(allow=ANYONE, name="raise")
    def raise_(self, request: Request) -> Later:
        """Raise an exception: {id or ids, type, severity, note} -> {count, errors: {id: text}}.

        An array stands for all its members. With a single job an error is the response; with several those
        that can be are done.
        """
        ids = request.get("ids", list, None)
        if ids is None:
            ids = [request.get("id", int)]
        context = _exception(request)
        errors: dict[str, str] = {}
        for id in ids:
            try:
                array = self.array_for(request, _jobid(id))
                if array is not None:
                    self.engine.now()
                    self.arrays.end(array, dict(context))
                else:
                    self.post(self.job_for(request, id), "exception", dict(context))
            except BournError as error:
                if len(ids) == 1:
                    raise
                errors[str(id)] = error.message
        return self.answer_when_durable(request, {"count": len(ids) - len(errors), "errors": errors})

    @method(allow=ANYONE)
    def raiseall(self, request: Request) -> Later:
        """Raise an exception on all jobs of a filter.

        {type, severity, note, userid?, states? (mask), queue?, name?, dry_run?} -> {count}. Guests reach
        their own.
        """
        context = _exception(request)
        userid = request.get("userid", int, None)
        if not request.rolemask & PRIVILEGED:
            if userid is not None and userid != request.userid:
                raise BournError("guests can act on their own jobs only", errno.EPERM)
            userid = request.userid
        states = request.get("states", int, int(State.ACTIVE))
        queue = request.get("queue", str, None)
        name = request.get("name", str, None)
        found = [
            job
            for job in self.engine.jobs.values()
            if int(job.state) & states
            and job.state is not State.INACTIVE
            and (userid is None or job.userid == userid)
            and (queue is None or job.queue == queue)
            and (name is None or job.name == name)
        ]
        if not request.get("dry_run", bool, False):
            for job in found:
                # One that ended because another of them did needs nothing more.
                if job.state is not State.INACTIVE:
                    self.post(job, "exception", dict(context))
        count = len(found)
        for array in list(self.arrays.arrays.values()) if states & int(State.PENDING) else ():
            waiting = array.waiting.bit_count()
            if (
                waiting
                and (userid is None or array.userid == userid)
                and (queue is None or array.facts.queue == queue)
                and (name is None or array.facts.name == name)
            ):
                count += waiting
                if not request.get("dry_run", bool, False):
                    self.arrays.end_waiting(array, context)
        return self.answer_when_durable(request, {"count": count})

    @method(allow=ANYONE)
    def kill(self, request: Request) -> None:
        """Send a signal to all processes of a running job: {id, signum}."""
        job = self.job_for(request, request.get("id", int))
        signum = request.get("signum", int, 15)
        if not 1 <= signum <= 64:
            raise BournError(f"signal {signum} is not from 1 to 64")
        if job.state is not State.RUN or not job.facts & STARTED:
            raise BournError(f"job {JobID(job.id)} is not running")
        self.engine.exec.kill([(job.id, signum)])

    @method(allow=ANYONE)
    def update(self, request: Request) -> Later:
        """Change a job's jobspec: {id, updates: {dotted key: value}}; each key needs a plugin's agreement."""
        job = self.job_for(request, request.get("id", int))
        wanted = request.get("updates", dict)
        if not wanted:
            raise BournError("update: 'updates' names no key")
        if job.flags & IMMUTABLE and not request.rolemask & PRIVILEGED:
            raise BournError(f"job {JobID(job.id)} is immutable: the owner has changed it", errno.EPERM)
        updates, feasibility = self._ask_plugins(job, wanted)
        reason = self._refuse_update(job, updates, bool(request.rolemask & PRIVILEGED))
        if reason is None and feasibility:
            jobspec = apply_overrides(job.jobspec, {**(job.overrides or {}), **updates})
            reason = self._feasibility(jobspec)
        if reason is None and job.state is State.RUN and DURATION in updates:
            reason = self._move_expiration(job, float(updates[DURATION]))
        if reason is not None:
            raise BournError(f"job {JobID(job.id)}: {reason}")
        self.post(job, "jobspec-update", updates)
        if request.rolemask & PRIVILEGED and request.userid != job.userid and not job.flags & IMMUTABLE:
            # What the owner granted a guest must not be undone by the guest.
            self.post(job, "set-flags", {"flags": ["immutable"]})
        self.follow_update(job, updates)
        return self.answer_when_durable(request, {"updates": updates})

    def _ask_plugins(self, job: Job, wanted: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Return all that changes, and whether the scheduler must find it feasible."""
        updates = dict(wanted)
        feasibility = False
        for key, value in wanted.items():
            verdict = self.engine.hooks.update(job, key, value)
            if not isinstance(verdict, UpdateVerdict):
                raise BournError(f"job {JobID(job.id)}: {verdict}")
            updates.update(verdict.updates)
            feasibility = feasibility or verdict.feasibility
        return updates, feasibility

    def _refuse_update(self, job: Job, updates: dict[str, Any], privileged: bool) -> str | None:
        """Hold a changed job to the rules for new ones; limits don't bind the owner here."""
        queue = updates.get(QUEUE, job.queue)
        reason = self.engine.queues.refuse(queue, job.userid) if QUEUE in updates else None
        if reason is not None or privileged:
            return reason
        if job.state is State.RUN:
            return "only the instance's owner can change a running job"
        changed = evolve(job, overrides={**(job.overrides or {}), **updates}, queue=queue, queued=[])
        return self.engine.hooks.check(changed)

    def follow_update(self, job: Job, updates: dict[str, Any]) -> None:
        """Keep database and scheduler in step with a job's new keys."""
        columns = {_COLUMNS[key]: value for key, value in updates.items() if key in _COLUMNS}
        if columns:
            self.engine.update_row(JobUpdate(job.id, columns))
        if not all(key.startswith(LABELS) for key in updates):
            self.engine.sched.ask_again(job)
        self.engine.reprioritize([job])

    def _feasibility(self, jobspec: dict[str, Any]) -> str | None:
        scheduler = self.engine.sched.scheduler
        return None if scheduler is None else scheduler.feasibility(jobspec)

    def _move_expiration(self, job: Job, duration: float) -> str | None:
        start = (job.R or {}).get("execution", {}).get("starttime") or job.t_run
        return self.engine.move_expiration(job, start + duration if duration else 0.0)

    @method(allow=ANYONE)
    def memo(self, request: Request) -> Later:
        """Merge notes into a job: {id, memo: {...}, volatile?}; None removes a key.

        They are kept with the job, or, if volatile, are annotations under `user`.
        """
        job = self.job_for(request, request.get("id", int))
        memo = request.get("memo", dict)
        if request.get("volatile", bool, False):
            self.engine.annotate_job(job, {"user": memo})
        else:
            self.post(job, "memo", memo)
        return self.answer_when_durable(request)

    @method(allow=ANYONE)
    def wait(self, request: Request) -> dict[str, Any] | Later:
        """Wait for an array, a waitable job, or (without id) for any: {id?} -> {id, success, errstr, status}.

        An array adds its `counts`.
        """
        if not request.rolemask & PRIVILEGED:
            raise BournError("only the instance's owner can wait for jobs", errno.EPERM)
        id = request.get("id", int, None)
        if id in self.arrays.arrays:
            self._array_waiters.setdefault(id, []).append(request)
            request.on_cancel = lambda: self._array_waiters[id].remove(request)
            return LATER
        report = self._ended_array(id) or self.waiting.wait(request, id)
        if report is not None:
            return report
        request.on_cancel = lambda: self.waiting.leave(request)
        return LATER


def array_report(id: int, counts: dict[str, int]) -> dict[str, Any]:
    """Return how an array ended: {id, success, errstr, counts}."""
    bad = {name: counts[name] for name in ("failed", "canceled", "timeout") if counts[name]}
    text = ", ".join(f"{count} {name}" for name, count in bad.items())
    errstr = f"of {sum(counts.values())} members {text}" if bad else ""
    return {"id": id, "success": not bad, "errstr": errstr, "counts": counts}


def _exception(request: Request) -> dict[str, Any]:
    kind = request.get("type", str, "cancel")
    severity = request.get("severity", int, 0)
    if not kind or any(c.isspace() for c in kind):
        raise BournError(f"exception type {kind!r} must be a word")
    if not 0 <= severity <= 7:
        raise BournError(f"exception severity {severity} is not from 0 to 7")
    return {
        "type": kind,
        "severity": severity,
        "note": request.get("note", str, ""),
        "userid": request.userid,
    }


def _jobid(id: object) -> int:
    if not is_int(id):
        raise BournError(f"'{id}' is no job id: it must be an integer", errno.EPROTO)
    return id
