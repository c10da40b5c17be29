"""The life of a job as a pure state machine (RFC 21, events of RFC 18).

`apply` makes an event happen to a job; live operation and replay are the same code. `advance` says what
the job needs next: an event to post, or something to ask of the scheduler or of execution. There is no
clock and no I/O here.

    NEW -validate-> DEPEND -depend-> PRIORITY -priority-> SCHED -alloc-> RUN -finish-> CLEANUP -clean->
    INACTIVE

An exception of severity 0 takes a job from any state to CLEANUP. A job that is to be run again goes from
CLEANUP back to PRIORITY by the event `retry` instead of `clean`; its context has the number of the `attempt`
that begins, and the `cause`. The event that brings a job to CLEANUP
decides its result; later exceptions are recorded and change nothing.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Literal

from bourn.errors import BournError
from bourn.model.retry import due
from bourn.model.states import Result, State
from bourn_plugins.job_manager.job import (
    ALLOC_BYPASS,
    ALLOCATED,
    ASKED_ALLOC,
    ASKED_ALLOC_CANCEL,
    ASKED_EXEC_CANCEL,
    ASKED_PRIORITY,
    ASKED_START,
    FINISHED,
    FLAGS,
    GIVEN_UP,
    RELEASED,
    STARTED,
    Job,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MAX_PRIORITY", "IllegalEvent", "Step", "advance", "apply", "exception_result"]

MAX_PRIORITY = 4294967295

Step = Literal[
    "depend", "priority", "alloc", "free", "retry", "clean",  # events to post
    "ask-alloc", "cancel-alloc", "ask-start", "cancel-exec",  # asked of others
]  # fmt: skip

_NEW = State.NEW
_DEPEND = State.DEPEND
_PRIORITY = State.PRIORITY
_SCHED = State.SCHED
_RUN = State.RUN
_CLEANUP = State.CLEANUP
_INACTIVE = State.INACTIVE
_COMPLETED = Result.COMPLETED

_NONE: Mapping[str, Any] = {}


class IllegalEvent(BournError):
    """An event that can't happen to a job in its present state; the job is as it was."""

    errnum = errno.EPROTO


def exception_result(kind: str) -> Result:
    """Return the result of a job that an exception of severity 0 ended."""
    if kind == "cancel":
        return Result.CANCELED
    return Result.TIMEOUT if kind in ("timelimit", "timeout") else Result.FAILED


def apply(job: Job, name: str, t: float, context: Mapping[str, Any] | None = None) -> None:
    """Make an event happen; IllegalEvent, and nothing has happened, when it can't.

    Args:
        job: the job, changed in place.
        name: of the event (RFC 18).
        t: seconds since the epoch.
        context: as RFC 18 says for the event; it is kept, not copied.
    """
    handler = _EVENTS.get(name)
    if handler is None:
        if not name.startswith("debug."):
            raise IllegalEvent(f"event '{name}' is unknown; free ones are named debug.*")
    elif job.events == 0 and name != "submit":
        raise IllegalEvent(f"event '{name}' before submit")
    else:
        try:
            handler(job, t, context or _NONE)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IllegalEvent(f"event '{name}': bad context {context!r} ({error!r})") from None
    job.events += 1


def advance(job: Job) -> Step | None:
    """Say what the job needs next, or None if it waits. Asking twice without an answer in between asks
    once."""
    state = job.state
    asked = job.asked
    if state is _RUN:
        if not asked & ASKED_START and not job.prologs:
            job.asked = asked | ASKED_START
            return "ask-start"
    elif state is _CLEANUP:
        return _advance_cleanup(job, asked)
    elif state is _SCHED:
        if job.R is not None and job.flags & ALLOC_BYPASS:
            return "alloc"
        if job.priority > 0:
            if not asked & ASKED_ALLOC:
                job.asked = asked | ASKED_ALLOC
                return "ask-alloc"
        elif asked & ASKED_ALLOC and not asked & ASKED_ALLOC_CANCEL:
            job.asked = asked | ASKED_ALLOC_CANCEL
            return "cancel-alloc"
    elif state is _PRIORITY:
        if not asked & ASKED_PRIORITY:
            job.asked = asked | ASKED_PRIORITY
            return "priority"
    elif state is _DEPEND and (job.deps is None or all(job.deps.values())):
        return "depend"
    return None


def _advance_cleanup(job: Job, asked: int) -> Step | None:
    if asked & ASKED_ALLOC:
        if asked & ASKED_ALLOC_CANCEL:
            return None
        job.asked = asked | ASKED_ALLOC_CANCEL
        return "cancel-alloc"
    facts = job.facts
    if asked & ASKED_START and not facts & RELEASED:
        if facts & FINISHED or asked & ASKED_EXEC_CANCEL:
            return None
        job.asked = asked | ASKED_EXEC_CANCEL
        return "cancel-exec"
    if job.epilogs or job.prologs:
        return None
    if facts & ALLOCATED:
        return "free"
    return "clean" if job.result is _COMPLETED or why_again(job) is None else "retry"


def why_again(job: Job) -> str | None:
    """Say why a job that has ended is to be run again (`bourn.model.retry`); None if it isn't."""
    retry = job.attr("attributes.system.retry")
    if not retry or job.facts & GIVEN_UP:
        return None
    exception = job.exception
    return due(retry, job.retries, job.waitstatus, exception[0] if exception and not exception[1] else None)


def _refuse(job: Job, name: str, why: str = "") -> IllegalEvent:
    return IllegalEvent(f"event '{name}' in state {job.state.name}{': ' + why if why else ''}")


def _end(job: Job, t: float, result: Result) -> None:
    job.state = _CLEANUP
    job.t_cleanup = t
    job.result = result


def _submit(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.events:
        raise _refuse(job, "submit", "it is the first event, once")
    userid, urgency, flags = context["userid"], context["urgency"], context["flags"]
    job.userid = userid
    job.urgency = urgency
    job.flags = flags
    job.t_submit = t


def _validate(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is not _NEW:
        raise _refuse(job, "validate")
    job.state = _DEPEND
    job.t_depend = t


def _invalidate(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is not _NEW:
        raise _refuse(job, "invalidate")
    job.state = _INACTIVE
    job.t_inactive = t
    job.result = Result.FAILED


def _dependency_add(job: Job, t: float, context: Mapping[str, Any]) -> None:
    description = context["description"]
    if job.state is not _DEPEND and job.state is not _NEW:
        raise _refuse(job, "dependency-add")
    if job.deps is None:
        job.deps = {}
    if job.deps.setdefault(description, False):
        raise _refuse(job, "dependency-add", f"'{description}' is satisfied already")


def _dependency_remove(job: Job, t: float, context: Mapping[str, Any]) -> None:
    description = context["description"]
    if job.state is not _DEPEND and job.state is not _NEW:
        raise _refuse(job, "dependency-remove")
    if job.deps is None or job.deps.get(description, True):
        raise _refuse(job, "dependency-remove", f"'{description}' is no dependency of the job")
    job.deps[description] = True


def _depend(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is not _DEPEND:
        raise _refuse(job, "depend")
    if job.deps and not all(job.deps.values()):
        raise _refuse(job, "depend", f"waits for {', '.join(job.dependencies)}")
    job.state = _PRIORITY


def _priority(job: Job, t: float, context: Mapping[str, Any]) -> None:
    priority = context["priority"]
    if not 0 <= priority <= MAX_PRIORITY:
        raise _refuse(job, "priority", f"{priority} is not from 0 to {MAX_PRIORITY}")
    if job.state is _PRIORITY:
        job.state = _SCHED
        job.asked &= ~ASKED_PRIORITY
    elif job.state is not _SCHED:
        raise _refuse(job, "priority")
    job.priority = priority


def _urgency(job: Job, t: float, context: Mapping[str, Any]) -> None:
    urgency = context["urgency"]
    if job.state is _INACTIVE or not 0 <= urgency <= 31:
        raise _refuse(job, "urgency")
    job.urgency = urgency


def _alloc(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is not _SCHED:
        raise _refuse(job, "alloc")
    notes = context.get("annotations")
    if job.notes is not None and "exec" in job.notes:
        job.notes = merge(job.notes, {"exec": None})  # where it ran before
    if notes is not None:
        job.notes = merge(job.notes, notes)
    job.state = _RUN
    job.facts |= ALLOCATED
    job.asked &= ~(ASKED_ALLOC | ASKED_ALLOC_CANCEL)
    job.t_run = t


def _prolog_start(job: Job, t: float, context: Mapping[str, Any]) -> None:
    description = context["description"]
    if job.state is not _RUN or job.asked & ASKED_START or job.facts & STARTED:
        raise _refuse(job, "prolog-start", "the job has started" if job.state is _RUN else "")
    job.prologs = [*(job.prologs or ()), description]


def _prolog_finish(job: Job, t: float, context: Mapping[str, Any]) -> None:
    job.prologs = _without(job, job.prologs, "prolog-finish", context["description"])


def _epilog_start(job: Job, t: float, context: Mapping[str, Any]) -> None:
    description = context["description"]
    if not job.facts & ALLOCATED or job.state is _INACTIVE:
        raise _refuse(job, "epilog-start", "the job holds no resources")
    job.epilogs = [*(job.epilogs or ()), description]


def _epilog_finish(job: Job, t: float, context: Mapping[str, Any]) -> None:
    job.epilogs = _without(job, job.epilogs, "epilog-finish", context["description"])


def _without(job: Job, running: list[str] | None, name: str, description: str) -> list[str] | None:
    if not running or description not in running:
        raise _refuse(job, name, f"'{description}' isn't running")
    rest = list(running)
    rest.remove(description)
    return rest or None


def _start(job: Job, t: float, context: Mapping[str, Any]) -> None:
    # In CLEANUP too: a cancellation and the report of the start cross.
    if job.state is not _RUN and job.state is not _CLEANUP:
        raise _refuse(job, "start")
    if not job.facts & ALLOCATED or job.facts & (STARTED | FINISHED) or job.prologs:
        raise _refuse(job, "start", "the job has no resources, has started already, or its prolog runs")
    job.facts |= STARTED


def _finish(job: Job, t: float, context: Mapping[str, Any]) -> None:
    status = context["status"]
    if job.state is not _RUN and job.state is not _CLEANUP:
        raise _refuse(job, "finish")
    if not job.facts & ALLOCATED or job.facts & FINISHED:
        raise _refuse(job, "finish", "the job isn't running")
    job.waitstatus = status
    job.facts |= FINISHED
    if job.state is _RUN:
        _end(job, t, Result.FAILED if status else Result.COMPLETED)


def _release(job: Job, t: float, context: Mapping[str, Any]) -> None:
    final = context["final"]
    if job.state is not _CLEANUP:
        raise _refuse(job, "release")
    if not job.facts & ALLOCATED or job.facts & RELEASED:
        raise _refuse(job, "release", "everything is released already")
    if final:
        job.facts |= RELEASED


def _free(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is not _CLEANUP or not job.facts & ALLOCATED or job.epilogs:
        raise _refuse(job, "free")
    job.facts &= ~ALLOCATED


def _clean(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is not _CLEANUP or job.facts & ALLOCATED or job.epilogs or job.prologs:
        raise _refuse(job, "clean")
    job.state = _INACTIVE
    job.t_inactive = t


def _exception(job: Job, t: float, context: Mapping[str, Any]) -> None:
    kind, severity, note = context["type"], context["severity"], context.get("note", "")
    if job.state is _INACTIVE or not 0 <= severity <= 7:
        raise _refuse(job, "exception")
    if severity == 0 and (job.state is _CLEANUP or kind == "cancel"):
        job.facts |= GIVEN_UP
    if severity == 0 and job.state is not _CLEANUP:
        job.exception = (kind, severity, note)
        _end(job, t, exception_result(kind))
    elif job.exception is None and job.state is not _CLEANUP:
        job.exception = (kind, severity, note)
    elif job.exception is not None and job.exception[1] > severity:
        # Shown instead of a milder one; the result stays what it was.
        job.exception = (kind, severity, note)


def _jobspec_update(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is _INACTIVE:
        raise _refuse(job, "jobspec-update")
    job.overrides = {**(job.overrides or {}), **context}
    if "attributes.system.queue" in context:
        job.queue = context["attributes.system.queue"]
    if "attributes.system.job.name" in context:
        job.name = context["attributes.system.job.name"]


def _resource_update(job: Job, t: float, context: Mapping[str, Any]) -> None:
    expiration = context["expiration"]
    if not job.facts & ALLOCATED or job.state is _INACTIVE:
        raise _refuse(job, "resource-update", "the job holds no resources")
    job.expiration = float(expiration)


def _set_flags(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is _INACTIVE:
        raise _refuse(job, "set-flags")
    mask = 0
    for name in context["flags"]:
        mask |= FLAGS[name]
    job.flags |= mask


def _memo(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is _INACTIVE:
        raise _refuse(job, "memo")
    job.memo = merge(job.memo, context)
    job.notes = merge(job.notes, {"user": dict(context)})


def _restart(job: Job, t: float, context: Mapping[str, Any]) -> None:
    if job.state is _SCHED:
        job.state = _PRIORITY
        job.asked = 0


def _retry(job: Job, t: float, context: Mapping[str, Any]) -> None:
    attempt = context["attempt"]
    if job.state is not _CLEANUP or job.facts & ALLOCATED or job.epilogs or job.prologs:
        raise _refuse(job, "retry")
    job.retries = attempt - 1
    job.state = _PRIORITY
    job.facts = job.asked = 0
    job.result = job.exception = job.waitstatus = job.R = None
    job.t_run = job.t_cleanup = job.expiration = 0.0


def merge(old: dict[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `old` with the keys of `new`, which deletes with None; tables are merged in turn."""
    result = dict(old or {})
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            table = result.get(key)
            merged = merge(table if isinstance(table, dict) else None, value)
            if merged:
                result[key] = merged
            else:
                result.pop(key, None)
        else:
            result[key] = value
    return result or None


_EVENTS: dict[str, Callable[[Job, float, Mapping[str, Any]], None]] = {
    "submit": _submit,
    "validate": _validate,
    "invalidate": _invalidate,
    "jobspec-update": _jobspec_update,
    "resource-update": _resource_update,
    "set-flags": _set_flags,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "depend": _depend,
    "priority": _priority,
    "urgency": _urgency,
    "alloc": _alloc,
    "prolog-start": _prolog_start,
    "prolog-finish": _prolog_finish,
    "start": _start,
    "finish": _finish,
    "epilog-start": _epilog_start,
    "epilog-finish": _epilog_finish,
    "release": _release,
    "free": _free,
    "clean": _clean,
    "retry": _retry,
    "exception": _exception,
    "memo": _memo,
    "restart": _restart,
}
