"""Submit jobs anew that have ended, and of an array the members that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.client.submission import Submission
from bourn.errors import BournError
from bourn.model.jobid import JobID, member_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.client.handle import Handle

FAILED = ("failed", "timeout")
RESULTS = ("failed", "timeout", "canceled", "completed")
ORIGIN = "resubmit-of"
"""The attribute (`attributes.user`) that names what a jobspec was submitted as before."""


def resubmit(
    h: Handle,
    jobid: JobID | int | str,
    results: Iterable[str] | None = None,
    on: Iterable[str] | None = None,
    urgency: int | None = None,
) -> JobID | None:
    """Submit a job again, or an array of those members of an array that failed; return the new id.

    Args:
        h: a handle.
        jobid: a job that has ended, or an array, ended or not.
        results: only of these results: `failed`, `timeout`, `canceled`, `completed`. By default any result
            of a job, and the first two of an array's members.
        on: only after such ends, as for retries (`bourn.model.retry`).
        urgency: of the new job; by default that of the old one.

    None is returned where nothing is to be submitted; BournError is for a job that is still active.
    """
    id = JobID(jobid)
    if results is not None:
        results = list(results)
        _check(results)
    attrs = ["state", "result", "waitstatus", "exception_type", "exception_severity", "members", "urgency"]
    record = h.rpc("job-list.list-id", {"id": int(id), "attrs": attrs}).get()["job"]
    submission = Submission()
    if urgency is None:
        urgency = record["urgency"]
    if "members" not in record:
        from bourn.client.jobfields import INACTIVE

        if record["state"] != INACTIVE:
            raise BournError(f"job {id} is active: only jobs that have ended are submitted again")
        if not _wanted(record, results or RESULTS, on):
            return None
        submission.add(_jobspec(h, id), urgency=urgency)
        return submission.send(h)[0]
    from bourn.client.joblist import JobList
    from bourn.model.idset import IdSet

    names = list(results or FAILED)
    numbers = [
        member_number(id, member["id"])
        for chunk in JobList(h, array=id, filters=names, attrs=attrs).chunks()
        for member in chunk
        if _wanted(member, names, on)
    ]
    if not numbers:
        return None
    submission.add_array(_jobspec(h, id), str(IdSet(sorted(numbers))), urgency=urgency)
    return submission.send(h)[0]


def _check(results: list[str]) -> None:
    from bourn.errors import suggest

    for name in results:
        if name not in RESULTS:
            raise BournError(f"'{name}' is no result of a job{suggest(name, RESULTS)}")


def _wanted(record: dict[str, Any], results: Iterable[str], on: Iterable[str] | None) -> bool:
    from bourn.model.retry import cause
    from bourn.model.states import RESULT_NAMES

    if RESULT_NAMES[record["result"]].lower() not in results:
        return False
    if on is None:
        return True
    fatal = record.get("exception_type") if record.get("exception_severity") == 0 else None
    return cause(on, record.get("waitstatus"), fatal) is not None


def _jobspec(h: Handle, id: JobID) -> dict[str, Any]:
    jobspec: dict[str, Any] = h.rpc("job-info.lookup", {"id": int(id), "keys": ["jobspec"]}).get()["jobspec"]
    jobspec["attributes"].setdefault("user", {})[ORIGIN] = str(id)
    return jobspec
