"""Jobs: `JobspecV1`, `submit`, `wait`, `FluxExecutor` and what belongs to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from bourn import JobID, JobInfo, Jobspec, JournalConsumer
from bourn.client import job as bourn_job
from bourn.client.job import JobResult as JobWaitResult
from bourn.client.job import cancel, event_watch, get_job, kill, kill_async, output_watch, result, timeleft
from flux.constants import FLUX_JOBID_ANY
from flux.job.executor import FluxExecutor, FluxExecutorFuture
from flux.job.listing import JobList, job_list, job_list_id, job_list_inactive

if TYPE_CHECKING:
    from bourn.client.job import SubmitFuture
    from bourn.client.rpc import Future
    from bourn.model.event import Event
    from flux import Flux

__all__ = [
    "FluxExecutor",
    "FluxExecutorFuture",
    "JobException",
    "JobID",
    "JobInfo",
    "JobList",
    "JobWaitResult",
    "Jobspec",
    "JobspecV1",
    "JournalConsumer",
    "cancel",
    "cancel_async",
    "event_wait",
    "event_watch",
    "get_job",
    "id_encode",
    "id_parse",
    "job_kvs_lookup",
    "job_list",
    "job_list_id",
    "job_list_inactive",
    "kill",
    "kill_async",
    "output_watch",
    "result",
    "submit",
    "submit_async",
    "submit_get_id",
    "timeleft",
    "wait",
    "wait_async",
]

JobspecV1 = Jobspec
"""Flux's name for what `from_command` and its kin make."""


class JobException(Exception):
    """A job was ended by an exception; see `event_wait`."""

    def __init__(self, event: Event) -> None:
        super().__init__(f"job.exception: type={event.context['type']} {event.context.get('note', '')}")
        self.timestamp = event.timestamp
        self.type: str = event.context["type"]
        self.severity: int = event.context["severity"]
        self.note: str = event.context.get("note", "")


class WaitFuture(NamedTuple):
    """What `wait_async` returns."""

    future: Future

    def get_status(self) -> JobWaitResult:
        """Wait; return (jobid, success, errstr)."""
        reply = self.future.get()
        return JobWaitResult(JobID(reply["id"]), reply["success"], reply.get("errstr", ""))


def submit_async(
    flux_handle: Flux,
    jobspec: Jobspec | str,
    urgency: int = 16,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    novalidate: bool = False,
) -> SubmitFuture:
    """Send a job, a `Jobspec` or its JSON text, without waiting for its id."""
    spec: Any = json.loads(jobspec) if isinstance(jobspec, str) else jobspec
    return bourn_job.submit_async(flux_handle, spec, urgency, waitable, debug=debug, novalidate=novalidate)


def submit(
    flux_handle: Flux,
    jobspec: Jobspec | str,
    urgency: int = 16,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    novalidate: bool = False,
) -> JobID:
    """Submit a job, a `Jobspec` or its JSON text; return its id."""
    return submit_async(flux_handle, jobspec, urgency, waitable, debug, pre_signed, novalidate).get_id()


def submit_get_id(future: SubmitFuture) -> JobID:
    """Return the id that `submit_async` will have."""
    return future.get_id()


def wait_async(flux_handle: Flux, jobid: int | str = FLUX_JOBID_ANY) -> WaitFuture:
    """Ask for the end of a waitable job, or of any."""
    return WaitFuture(bourn_job.wait_async(flux_handle, _one_or_any(jobid)))


def wait(flux_handle: Flux, jobid: int | str = FLUX_JOBID_ANY) -> JobWaitResult:
    """Wait for a waitable job, or any; return (jobid, success, errstr)."""
    return bourn_job.wait(flux_handle, _one_or_any(jobid))


def cancel_async(flux_handle: Flux, jobid: int | str, reason: str | None = None) -> Future:
    """Ask for the end of a job."""
    return bourn_job.cancel_async(flux_handle, jobid, reason or "")


def event_wait(
    flux_handle: Flux, jobid: int | str, name: str, eventlog: str = "eventlog", raiseJobException: bool = True
) -> Event:
    """Return the first event of a name; JobException when the job is ended by an exception before."""
    for event in event_watch(flux_handle, jobid, eventlog):
        if event.name == name:
            return event
        if raiseJobException and event.name == "exception" and event.context["severity"] == 0:
            raise JobException(event)
    raise OSError(61, f"job {JobID(jobid)} has no event '{name}'")


def job_kvs_lookup(
    flux_handle: Flux, jobid: int | str, keys: tuple[str, ...] = ("jobspec",)
) -> dict[str, Any]:
    """Return {"id": ..., key: value, ...} for keys such as jobspec, R and eventlog."""
    found = {key: bourn_job.lookup(flux_handle, jobid, key) for key in keys}
    return {"id": JobID(jobid), **found}


def id_parse(text: str) -> JobID:
    """Return the job id that a text says, in any encoding."""
    return JobID.parse(text)


def id_encode(jobid: int, encoding: str = "f58") -> str:
    """Return a job id in an encoding: dec, hex, dothex, f58, words ..."""
    return JobID(jobid).encode(encoding)


def _one_or_any(jobid: int | str) -> int | str | None:
    return None if jobid == FLUX_JOBID_ANY else jobid
