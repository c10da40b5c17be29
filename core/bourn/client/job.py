"""Jobs, from a program: submit, wait, watch, signal, cancel.

    import bourn
    with bourn.Handle() as h:
        id = bourn.job.submit(h, bourn.Jobspec.from_command(["hostname"], num_tasks=2), waitable=True)
        print(bourn.job.wait(h, id).success)

Everything waits on the handle; many jobs are best submitted by `submit_many`, one request for all. A jobspec
is a `Jobspec`, its dictionary or its JSON text. BournError (RPCError) says what went wrong: ENOENT for an
unknown job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bourn._late import late
from bourn.client.submission import DEBUG, NOVALIDATE, WAITABLE, Submission
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bourn.client.array import ArrayResult, JobArray, submit_array
    from bourn.client.handle import Future, Handle
    from bourn.client.jobfields import JobInfo
    from bourn.client.output import Output
    from bourn.client.resubmit import resubmit
    from bourn.client.submission import JobspecLike
    from bourn.model.event import Event

__all__ = [
    "ArrayResult",
    "JobArray",
    "JobResult",
    "SubmitFuture",
    "cancel",
    "cancel_async",
    "event_wait",
    "event_watch",
    "get_job",
    "job_list",
    "job_list_id",
    "kill",
    "lookup",
    "output_watch",
    "raise_",
    "resubmit",
    "result",
    "submit",
    "submit_array",
    "submit_async",
    "submit_many",
    "timeleft",
    "wait",
    "wait_async",
]


# What the command line's fast path doesn't need is imported when it is used.
__getattr__ = late(
    globals(),
    {"ArrayResult": "array", "JobArray": "array", "resubmit": "resubmit", "submit_array": "array"},
)


class JobResult(NamedTuple):
    """What `wait` returns: the job, whether it ended well, and in words why not."""

    jobid: JobID
    success: bool
    errstr: str


class SubmitFuture:
    """A submission on its way; `get_id` waits until it is durable."""

    def __init__(self, future: Future) -> None:
        self.future = future

    def get_id(self, timeout: float | None = None) -> JobID:
        """Return the job's id, or raise what the job was refused for."""
        return JobID(self.future.get(timeout)["ids"][0])


def submit_async(
    h: Handle,
    jobspec: JobspecLike,
    urgency: int = 16,
    waitable: bool = False,
    *,
    debug: bool = False,
    novalidate: bool = False,
    key: str | None = None,
) -> SubmitFuture:
    """Send a job without waiting for its id."""
    submission = Submission()
    submission.add(jobspec, urgency=urgency, flags=_flags(waitable, debug, novalidate), key=key)
    return SubmitFuture(h.rpc("job-ingest.submit", submission.payload()))


def submit(
    h: Handle,
    jobspec: JobspecLike,
    urgency: int = 16,
    waitable: bool = False,
    *,
    debug: bool = False,
    novalidate: bool = False,
    key: str | None = None,
) -> JobID:
    """Submit a job and return its id once it is durable.

    `urgency` is 0-31, above 16 for the owner only; a `waitable` job can be waited for by `wait`. A retry with
    the same `key` returns the id of the first submission instead of making another job.
    """
    return submit_async(h, jobspec, urgency, waitable, debug=debug, novalidate=novalidate, key=key).get_id()


def submit_many(
    h: Handle,
    jobspecs: Iterable[JobspecLike],
    urgency: int = 16,
    waitable: bool = False,
    *,
    debug: bool = False,
) -> list[JobID]:
    """Submit many jobs in one request (several, if it would be over 24 MiB): all of a request are accepted,
    or none.
    """
    flags = _flags(waitable, debug, False)
    ids: list[JobID] = []
    submission = Submission()
    for jobspec in jobspecs:
        if submission.full:
            ids += submission.send(h)
            submission = Submission()
        submission.add(jobspec, urgency=urgency, flags=flags)
    return ids + submission.send(h) if submission.jobs else ids


def wait_async(h: Handle, jobid: JobID | int | str | None = None) -> Future:
    """Ask for the end of a waitable job, or of any; the response is {id, success, errstr}."""
    return h.rpc("job-manager.wait", {} if jobid is None else {"id": int(JobID(jobid))})


def wait(h: Handle, jobid: JobID | int | str | None = None) -> JobResult:
    """Wait until a waitable job, or any of the caller's, is inactive; each job can be waited for once.

    Raises RPCError: ECHILD when no waitable job is left, ENOENT or EINVAL when `jobid` isn't one.
    """
    reply = wait_async(h, jobid).get()
    return JobResult(JobID(reply["id"]), reply["success"], reply.get("errstr", ""))


def result(h: Handle, jobid: JobID | int | str) -> JobInfo:
    """Wait until a job is inactive, waitable or not, and return all that is known of it."""
    from bourn.client.events import wait_event

    wait_event(h, JobID(jobid), "clean")
    return job_list_id(h, jobid)


def event_watch(h: Handle, jobid: JobID | int | str, eventlog: str = "eventlog") -> Iterator[Event]:
    """Yield the events of a job's eventlog (`eventlog`, `guest.exec.eventlog`, ...), old and new, until it
    ends.
    """
    from bourn.client.events import watch_log
    from bourn.model.event import Event

    for entry in watch_log(h, JobID(jobid), eventlog):
        yield Event(entry["timestamp"], entry["name"], entry.get("context", {}))


def event_wait(h: Handle, jobid: JobID | int | str, name: str, eventlog: str = "eventlog") -> Event:
    """Return the first event of a name, waiting for it; RPCError ENODATA when the log ends without it."""
    from bourn.client.events import wait_event
    from bourn.model.event import Event

    entry = wait_event(h, JobID(jobid), name, eventlog)
    return Event(entry["timestamp"], entry["name"], entry.get("context", {}))


def output_watch(h: Handle, jobid: JobID | int | str) -> Iterator[Output]:
    """Yield what a job's tasks write, from the beginning, until it ends."""
    from bourn.client.events import watch_log
    from bourn.client.output import decode_output

    for entry in watch_log(h, JobID(jobid), "guest.output"):
        output = decode_output(entry)
        if output is not None:
            yield output


def lookup(h: Handle, jobid: JobID | int | str, key: str) -> Any:
    """Return what is kept of a job: `jobspec`, `R` (parsed), `J` (text), or a log such as `eventlog` or
    `guest.output` (text, however long); None where there is none yet.
    """
    from bourn.client.events import LOGS, log_text

    if key in LOGS:
        return "".join(log_text(h, JobID(jobid), key)) or None
    reply: dict[str, Any] = h.rpc("job-info.lookup", {"id": int(JobID(jobid)), "keys": [key]}).get()
    return reply.get(key)


def kill_async(h: Handle, jobid: JobID | int | str, signum: int = 15) -> Future:
    """Send a signal without waiting for the answer."""
    return h.rpc("job-manager.kill", {"id": int(JobID(jobid)), "signum": signum})


def kill(h: Handle, jobid: JobID | int | str, signum: int = 15) -> None:
    """Send a signal to all tasks of a running job."""
    kill_async(h, jobid, signum).get()


def raise_async(
    h: Handle, jobid: JobID | int | str, type: str = "cancel", severity: int = 0, note: str = ""
) -> Future:
    """Raise an exception without waiting for the answer."""
    return raise_jobs_async(h, [int(JobID(jobid))], type, severity, note)


def raise_(
    h: Handle, jobid: JobID | int | str, type: str = "cancel", severity: int = 0, note: str = ""
) -> None:
    """Raise an exception on an active job; severity 0 ends it, 1-7 is only told."""
    raise_async(h, jobid, type, severity, note).get()


def raise_jobs_async(h: Handle, jobids: Sequence[int], type: str, severity: int, note: str) -> Future:
    """Raise an exception on several jobs with one request."""
    payload = {"ids": [int(id) for id in jobids], "type": type, "severity": severity, "note": note}
    return h.rpc("job-manager.raise", payload)


def cancel_async(h: Handle, jobid: JobID | int | str, reason: str = "") -> Future:
    """Cancel a job without waiting for the answer."""
    return raise_async(h, jobid, "cancel", 0, reason)


def cancel(h: Handle, jobid: JobID | int | str, reason: str = "") -> None:
    """Cancel an active job."""
    cancel_async(h, jobid, reason).get()


def job_list(h: Handle, **filters: Any) -> list[JobInfo]:
    """Return jobs; the filters are those of `bourn.client.joblist.JobList`."""
    from bourn.client.joblist import JobList

    return list(JobList(h, **filters).jobs())


def job_list_id(h: Handle, jobid: JobID | int | str) -> JobInfo:
    """Return what is known of one job."""
    from bourn.client.joblist import job_by_id

    return job_by_id(h, JobID(jobid))


def get_job(h: Handle, jobid: JobID | int | str) -> Mapping[str, Any]:
    """Return what is known of one job as a dictionary."""
    return job_list_id(h, jobid).to_dict()


def timeleft(h: Handle, jobid: JobID | int | str) -> float:
    """Return the seconds that a running job has left, inf without a limit; BournError when it doesn't run."""
    from bourn.errors import BournError

    info = job_list_id(h, jobid)
    if info.state != "RUN":
        raise BournError(f"job {JobID(jobid)} doesn't run; it is in state {info.state}")
    return float(info.t_remaining) if info.expiration else float("inf")


def _flags(waitable: bool, debug: bool, novalidate: bool) -> int:
    return WAITABLE * waitable | DEBUG * debug | NOVALIDATE * novalidate
