"""Jobs as dictionaries, with the attribute names of RFC 43; what isn't known of a job is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bourn.hookspecs.store import JobDone, JobRecord
from bourn.model.states import Result, State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bourn.hookspecs.store import ArrayRow
    from bourn_plugins.job_manager.arrays import JobArray
    from bourn_plugins.job_manager.job import Job

Record = dict[str, Any]

INACTIVE = int(State.INACTIVE)
COMPLETED = int(Result.COMPLETED)

ATTRS = frozenset(JobRecord._fields) | {
    "state",
    "success",
    "exception_occurred",
    "dependencies",
    "members",
    "counts",
    "usage",
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


def active_array_record(array: JobArray) -> Record:
    """Return what is known of an array with members left: it runs when one of them does."""
    counts = array.counts
    facts = array.facts
    record: Record = {
        "id": array.id,
        "userid": array.userid,
        "urgency": array.urgency,
        "priority": array.urgency,
        "t_submit": array.t_submit,
        "state": int(State.RUN if counts["running"] else State.SCHED),
        "name": facts.name,
        "ntasks": facts.ntasks,
        "duration": facts.duration,
        "exception_occurred": array.ending is not None,
        "members": str(array.members),
        "counts": counts,
    }
    for key in ("queue", "cwd", "project", "bank"):
        if (value := getattr(facts, key)) is not None:
            record[key] = value
    return record


def inactive_array_record(row: ArrayRow, counts: dict[str, int]) -> Record:
    """Return what is known of an array whose members have ended: it ended as badly as any of them."""
    result = next(
        (r for r in (Result.FAILED, Result.TIMEOUT, Result.CANCELED) if counts[r.name.lower()]),  # type: ignore[union-attr]
        Result.COMPLETED,
    )
    record: Record = {
        "id": row.id,
        "userid": row.userid,
        "urgency": row.urgency,
        "priority": 0,
        "t_submit": row.t_submit,
        "t_inactive": row.t_inactive,
        "state": INACTIVE,
        "result": int(result),
        "success": result is Result.COMPLETED,
        "name": row.name,
        "ntasks": row.ntasks,
        "duration": row.duration,
        "exception_occurred": row.ending is not None,
        "members": row.members,
        "counts": counts,
    }
    if row.queue is not None:
        record["queue"] = row.queue
    return record


def waiting_record(array: JobArray, id: int) -> Record:
    """Return what is known of a member of an array that is no job yet."""
    record = active_array_record(array)
    del record["members"], record["counts"]
    return {**record, "id": id, "state": int(State.SCHED), "exception_occurred": False}


def project(record: Record, attrs: Collection[str] | None) -> Record:
    """Return the wanted attributes and the id; None wants all."""
    if attrs is None:
        return record
    return {key: value for key, value in record.items() if key in attrs or key == "id"}
