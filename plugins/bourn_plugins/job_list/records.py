"""Jobs as dictionaries, with the attribute names of RFC 43; what isn't known of a job is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bourn.hookspecs.store import JobDone, JobRecord
from bourn.model.states import Result, State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bourn_plugins.job_manager.job import Job

Record = dict[str, Any]

INACTIVE = int(State.INACTIVE)
COMPLETED = int(Result.COMPLETED)

ATTRS = frozenset(JobRecord._fields) | {
    "state",
    "success",
    "exception_occurred",
    "dependencies",
}
_TIMES = ("t_depend", "t_run", "t_cleanup", "t_inactive", "expiration")


def inactive_record(row: JobRecord) -> Record:
    """Return what the store knows of an inactive job."""
    record = {key: value for key, value in zip(JobRecord._fields, row, strict=True) if value is not None}
    for key in _TIMES:
        if not record[key]:
            del record[key]
    record["state"] = INACTIVE
    record["success"] = row.result == COMPLETED
    record["exception_occurred"] = row.exception_type is not None
    if row.annotations is not None:
        record["annotations"] = msgspec.json.decode(row.annotations)
    return record


def active_record(job: Job, summarize: Callable[[Job], JobDone]) -> Record:
    """Return what the job manager knows of an active job."""
    record: Record = {key: value for key, value in zip(JobDone._fields, summarize(job), strict=True) if value}
    counts = job.spec.counts
    record |= {
        "id": job.id,
        "userid": job.userid,
        "urgency": job.urgency,
        "priority": max(job.priority, 0),
        "t_submit": job.t_submit,
        "state": int(job.state),
        "name": job.name,
        "ntasks": counts.ntasks,
        "duration": job.duration,
        "exception_occurred": job.exception is not None,
    }
    if job.exception is not None:
        record["exception_severity"] = job.exception[1]
    if job.waitstatus is not None:
        record["waitstatus"] = job.waitstatus
    if "nnodes" not in record and counts.nnodes:
        record["nnodes"] = counts.nnodes
    if "ncores" not in record and counts.ncores:
        record["ncores"] = counts.ncores
    if job.queue is not None:
        record["queue"] = job.queue
    for key in ("cwd", "project", "bank"):
        if (value := job.attr(f"attributes.system.{key}")) is not None:
            record[key] = value
    if job.annotations:
        record["annotations"] = job.annotations
    if dependencies := list(job.dependencies):
        record["dependencies"] = dependencies
    if job.state == INACTIVE:  # its end is on the way to the store
        record["success"] = job.result == COMPLETED
    return record


def project(record: Record, attrs: Collection[str] | None) -> Record:
    """Return the wanted attributes and the id; None wants all."""
    if attrs is None:
        return record
    return {key: value for key, value in record.items() if key in attrs or key == "id"}
