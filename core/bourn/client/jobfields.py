"""What is known about a job, by name: fields of the `job-list` record and what follows from them.

A record is the dictionary that the `job-list` service returns: id, userid, urgency, priority, t_submit,
t_depend, t_run, t_cleanup, t_inactive, state, result, waitstatus, name, queue, bank, project, cwd, ntasks,
ncores, nnodes, ranks, nodelist, duration, expiration, success, exception_{occurred,severity,type,note},
retries, annotations, dependencies; of an array also members and counts. What isn't known is missing. The
functions take a record and return a value, "" when there is none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bourn.model.jobid import JobID
from bourn.model.states import (
    RESULT_ABBREVS,
    RESULT_NAMES,
    STATE_ABBREVS,
    STATE_NAMES,
    State,
    job_status,
    job_status_abbrev,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Record = dict[str, Any]

INACTIVE = int(State.INACTIVE)
PENDING = int(State.PENDING)
RUNNING = int(State.RUNNING)
NEVER_RAN = -128
"""The return code of a job that ended before it ran."""

_users: dict[int, str] = {}


def username(job: Record) -> str:
    """Return the user's name, or the number when there is none."""
    userid = job["userid"]
    name = _users.get(userid)
    if name is None:
        import pwd

        try:
            name = pwd.getpwuid(userid).pw_name
        except KeyError:
            name = str(userid)
        _users[userid] = name
    return name


def runtime(job: Record) -> float:
    """Return seconds from start to the end, or to now; 0 when the job never ran."""
    start = job.get("t_run") or 0.0
    if not start:
        return 0.0
    end = job.get("t_cleanup") or job.get("t_inactive") or time.time()
    return max(0.0, end - start)


def t_remaining(job: Record) -> float:
    """Return the seconds that a running job has left; 0 without a limit."""
    expiration = job.get("expiration") or 0.0
    return max(0.0, expiration - time.time()) if expiration and job["state"] != INACTIVE else 0.0


def returncode(job: Record) -> int | str:
    """Return the exit status, minus the signal, or -128 for a job that ended before it ran; "" while
    active.
    """
    if job["state"] != INACTIVE:
        return ""
    status: int | None = job.get("waitstatus")
    if status is None:
        return NEVER_RAN
    return -(status & 0x7F) if status & 0x7F else status >> 8


def success(job: Record) -> bool | str:
    """Return whether an inactive job ended well; "" while active."""
    return job.get("result") == 1 if job["state"] == INACTIVE else ""


def dependencies(job: Record) -> str:
    """Return what the job waits for, comma-separated."""
    return ",".join(job.get("dependencies") or ())


def annotation(job: Record, *path: str) -> Any:
    """Return an annotation by path, "" when there is none."""
    value: Any = job.get("annotations")
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else value


def is_with_child(job: Record) -> bool:
    """Say whether a child of the instance's hierarchy has a job now: the child lists it too. Needs the
    annotations and the state."""
    return bool(job["state"] & RUNNING and annotation(job, "exec", "child"))


def members(job: Record) -> str:
    """Return the members of a job array in brackets; "" for a job."""
    return f"[{job['members']}]" if "members" in job else ""


def counts(job: Record) -> str:
    """Return how many members of an array are in which state, as `90 pending, 8 running`."""
    return ", ".join(f"{count} {name}" for name, count in job["counts"].items() if count)


def contextual_info(job: Record) -> str:
    """Return what matters in this state: why the job waits, or where it runs or ran; of an array, how many
    of its members are where.
    """
    state = job["state"]
    if "counts" in job:
        return counts(job)
    if not state & PENDING:
        return job.get("nodelist") or ""
    if state == State.DEPEND:
        return f"depends:{dependencies(job)}"
    if state == State.PRIORITY:
        return "priority-wait"
    if job.get("urgency") == 0 or job.get("priority") == 0:
        return "held"
    start = annotation(job, "sched", "t_estimate")
    if start:
        from bourn.model.duration import format_duration

        return f"eta:{format_duration(round(start - time.time()))}" if start > time.time() else "eta:now"
    return str(annotation(job, "sched", "reason_pending") or annotation(job, "sched", "reason"))


def contextual_time(job: Record) -> float:
    """Return the time limit of a pending job, the run time of any other."""
    if job["state"] & PENDING:
        return job.get("duration") or 0.0
    return runtime(job)


def inactive_reason(job: Record) -> str:
    """Return in words how an inactive job ended."""
    if job["state"] != INACTIVE:
        return ""
    result, note = job.get("result"), job.get("exception_note")
    if result == 4:
        return f"Canceled: {note}" if note else "Canceled"
    if result == 8:
        return "Timeout"
    kind = job.get("exception_type")
    if job.get("exception_severity") == 0 and kind:
        return f"Exception: type={kind}" + (f" note={note}" if note else "")
    code = returncode(job)
    if isinstance(code, int) and code < 0:
        import signal

        return signal.strsignal(-code) or f"Signal {-code}"
    return {126: "permission denied", 127: "command not found"}.get(int(code), f"Exit {code}")


def used(job: Record, what: str) -> float | str:
    """Return what the tasks used: seconds of `wall` or `cpu` time, bytes of `maxrss`; "" until they ended."""
    usage = job.get("usage")
    return "" if usage is None else usage[what]


def _plain(name: str) -> Callable[[Record], Any]:
    return lambda job: "" if (value := job.get(name)) is None else value


FIELDS: dict[str, tuple[str, Callable[[Record], Any]]] = {
    "id": ("JOBID", lambda job: JobID(job["id"])),
    "id.f58": ("JOBID", lambda job: JobID(job["id"]).f58 + members(job)),
    "id.f58plain": ("JOBID", lambda job: JobID(job["id"]).f58_ascii + members(job)),
    "id.dec": ("JOBID", lambda job: str(job["id"])),
    "id.hex": ("JOBID", lambda job: JobID(job["id"]).hex),
    "id.dothex": ("JOBID", lambda job: JobID(job["id"]).dothex),
    "id.words": ("JOBID", lambda job: JobID(job["id"]).words),
    "id.emoji": ("JOBID", lambda job: JobID(job["id"]).emoji),
    "id.kvs": ("JOBID", lambda job: JobID(job["id"]).kvs),
    "members": ("MEMBERS", _plain("members")),
    "userid": ("UID", _plain("userid")),
    "username": ("USER", username),
    "urgency": ("URG", _plain("urgency")),
    "priority": ("PRI", _plain("priority")),
    "state": ("STATE", lambda job: STATE_NAMES[job["state"]]),
    "state_single": ("S", lambda job: STATE_ABBREVS[job["state"]]),
    "name": ("NAME", _plain("name")),
    "queue": ("QUEUE", _plain("queue")),
    "bank": ("BANK", _plain("bank")),
    "project": ("PROJECT", _plain("project")),
    "cwd": ("CWD", _plain("cwd")),
    "ntasks": ("NTASKS", _plain("ntasks")),
    "ncores": ("NCORES", _plain("ncores")),
    "nnodes": ("NNODES", _plain("nnodes")),
    "ranks": ("RANKS", _plain("ranks")),
    "nodelist": ("NODELIST", _plain("nodelist")),
    "retries": ("RETRIES", lambda job: job.get("retries") or 0),
    "duration": ("DURATION", lambda job: job.get("duration") or 0.0),
    "expiration": ("EXPIRATION", lambda job: job.get("expiration") or 0.0),
    "t_submit": ("T_SUBMIT", lambda job: job.get("t_submit") or 0.0),
    "t_depend": ("T_DEPEND", lambda job: job.get("t_depend") or 0.0),
    "t_run": ("T_RUN", lambda job: job.get("t_run") or 0.0),
    "t_cleanup": ("T_CLEANUP", lambda job: job.get("t_cleanup") or 0.0),
    "t_inactive": ("T_INACTIVE", lambda job: job.get("t_inactive") or 0.0),
    "runtime": ("RUNTIME", runtime),
    "t_remaining": ("T_REMAINING", t_remaining),
    "status": ("STATUS", lambda job: job_status(job["state"], job.get("result", 0))),
    "status_abbrev": ("ST", lambda job: job_status_abbrev(job["state"], job.get("result", 0))),
    "result": ("RESULT", lambda job: RESULT_NAMES.get(job.get("result", 0), "")),
    "result_abbrev": ("RESULT", lambda job: RESULT_ABBREVS.get(job.get("result", 0), "")),
    "success": ("SUCCESS", success),
    "waitstatus": ("WSTATUS", _plain("waitstatus")),
    "returncode": ("RC", returncode),
    "exception.occurred": ("EXCEPTION-OCCURRED", lambda job: bool(job.get("exception_occurred"))),
    "exception.severity": ("EXCEPTION-SEVERITY", _plain("exception_severity")),
    "exception.type": ("EXCEPTION-TYPE", _plain("exception_type")),
    "exception.note": ("EXCEPTION-NOTE", _plain("exception_note")),
    "annotations": ("ANNOTATIONS", lambda job: job.get("annotations") or ""),
    "dependencies": ("DEPENDENCIES", dependencies),
    "contextual_info": ("INFO", contextual_info),
    "contextual_time": ("TIME", contextual_time),
    "inactive_reason": ("INACTIVE-REASON", inactive_reason),
    "usage.wall": ("WALL", lambda job: used(job, "wall")),
    "usage.cpu": ("CPU", lambda job: used(job, "cpu")),
    "usage.maxrss": ("MAXRSS", lambda job: used(job, "maxrss")),
}
"""Field name -> (heading, value of a record)."""


def field(name: str) -> tuple[str, Callable[[Record], Any]]:
    """Return heading and function of a field; `annotations.x.y`, `sched.y` and `user.y` look into
    annotations.
    """
    if name in FIELDS:
        return FIELDS[name]
    head, _, rest = name.partition(".")
    if rest and head in ("annotations", "sched", "user"):
        path = rest.split(".") if head == "annotations" else name.split(".")
        return name.upper(), lambda job: annotation(job, *path)
    from bourn.errors import BournError, suggest

    raise BournError(f"unknown field '{name}'{suggest(name, FIELDS)}")


_RUNTIME = ("t_run", "t_cleanup", "t_inactive")
_NEEDS: dict[str, tuple[str, ...]] = {
    "username": ("userid",),
    "runtime": _RUNTIME,
    "t_remaining": ("expiration", "state"),
    "returncode": ("state", "waitstatus"),
    "success": ("state", "result"),
    "state_single": ("state",),
    "status": ("state", "result"),
    "status_abbrev": ("state", "result"),
    "result_abbrev": ("result",),
    "contextual_time": ("state", "duration", *_RUNTIME),
    "id": ("members",),
    "contextual_info": ("counts", "state", "nodelist", "dependencies", "urgency", "priority", "annotations"),
    "inactive_reason": (
        "state",
        "result",
        "waitstatus",
        "exception_type",
        "exception_severity",
        "exception_note",
    ),
}
"""The attributes that computed fields are computed from."""


def attrs_of(names: Iterable[str]) -> list[str]:
    """Return the attributes of a record that these fields need."""
    attrs = {"id", "state"}
    for name in names:
        if name.startswith(("annotations", "sched.", "user.")):
            attrs.add("annotations")
        elif name.startswith("exception."):
            attrs.add(name.replace(".", "_"))
        elif name.startswith("usage."):
            attrs |= {"usage", "t_run"}
        else:
            attrs.update(_NEEDS.get(name, ("members",) if name.startswith("id.") else (name,)))
    return sorted(attrs)


class JobInfo:
    """A job as listed: each field of `FIELDS` is an attribute, as `info.name`, `info.state`,
    `info.exception.type`.
    """

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record

    def __getattr__(self, name: str) -> Any:
        if name in FIELDS:
            return FIELDS[name][1](self.record)
        if name in ("exception", "sched", "usage", "user"):
            return _Group(self.record, name)
        raise AttributeError(f"a job has no field '{name}'")

    def to_dict(self) -> Record:
        """Return every field that has a value, dotted names as nested dictionaries, ready for JSON."""
        return to_dict(self.record)

    def __repr__(self) -> str:
        return f"JobInfo({JobID(self.record['id'])}, {self.status})"


class _Group:
    """`info.exception.type`, `info.annotations.user.note`: the fields under a dotted name."""

    def __init__(self, record: Record, name: str) -> None:
        self._record = record
        self._name = name

    def __getattr__(self, name: str) -> Any:
        path = f"{self._name}.{name}"
        if path in FIELDS:
            return FIELDS[path][1](self._record)
        if self._name in ("exception", "usage"):
            raise AttributeError(f"a job has no field '{path}'")
        value = field(path)[1](self._record)
        return _Group(self._record, path) if isinstance(value, dict) else value


_COMPUTED = ("username", "state", "status", "result", "success", "returncode", "runtime", "contextual_info")


def to_dict(job: Record) -> Record:
    """Return a record as `jobs --json` prints it: known values and the common derived ones."""
    skip = ("exception_occurred", "exception_severity", "exception_type", "exception_note")
    out = {key: value for key, value in job.items() if value is not None and key not in skip}
    out["id"] = job["id"]
    for name in _COMPUTED:
        value = FIELDS[name][1](job)
        if value != "":
            out[name] = value
    out["exception"] = {"occurred": bool(job.get("exception_occurred"))}
    for name in ("severity", "type", "note"):
        if job.get(f"exception_{name}") is not None:
            out["exception"][name] = job[f"exception_{name}"]
    return out
