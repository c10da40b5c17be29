"""Lists of jobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bourn import JobList as BournJobList
from bourn.client.job import job_list_id as by_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bourn import JobID, JobInfo
    from flux import Flux

__all__ = ["JobList", "job_list", "job_list_id", "job_list_inactive"]

_STATES = {1: "new", 2: "depend", 4: "priority", 8: "sched", 16: "run", 32: "cleanup", 64: "inactive"}
_RESULTS = {1: "completed", 2: "failed", 4: "canceled", 8: "timeout"}


class JobList:
    """Jobs by filters, such as `pending`, `running`, `inactive`, `failed`."""

    def __init__(
        self,
        flux_handle: Flux,
        attrs: Sequence[str] = ("all",),
        filters: Iterable[str] = (),
        ids: Iterable[JobID | int] = (),
        user: str | int | None = None,
        max_entries: int = 1000,
        since: float = 0.0,
        name: str | None = None,
        queue: str | None = None,
        constraint: dict[str, Any] | None = None,
    ) -> None:
        self._list = BournJobList(
            flux_handle,
            attrs=attrs or ("all",),
            filters=",".join(filters),
            ids=list(ids) or None,
            user=_userid(user),
            max_entries=max_entries,
            since=since,
            name=name,
            queue=queue,
            constraint=constraint,
        )

    def jobs(self) -> Iterator[JobInfo]:
        """Yield them."""
        return self._list.jobs()


class ListReply:
    """What `job_list` returns."""

    def __init__(self, jobs: list[JobInfo]) -> None:
        self._jobs = jobs

    def get_jobs(self) -> list[dict[str, Any]]:
        """Return the jobs as dictionaries."""
        return [dict(job.to_dict()) for job in self._jobs]

    def get_jobinfos(self) -> Iterator[JobInfo]:
        """Yield the jobs."""
        return iter(self._jobs)

    def get_jobinfo(self) -> JobInfo:
        """Return the only job of `job_list_id`."""
        return self._jobs[0]

    def get_job(self) -> dict[str, Any]:
        """Return it as a dictionary."""
        return self.get_jobs()[0]


def job_list(
    flux_handle: Flux,
    max_entries: int = 1000,
    attrs: Sequence[str] = ("all",),
    userid: int | None = None,
    states: int = 0,
    results: int = 0,
    since: float = 0.0,
    name: str | None = None,
    queue: str | None = None,
) -> ListReply:
    """List the caller's jobs, or those of `userid`, in states and with results given as bits."""
    words = [word for bit, word in _STATES.items() if states & bit]
    words += [word for bit, word in _RESULTS.items() if results & bit]
    user = os.getuid() if userid is None else userid
    found = JobList(flux_handle, attrs, words, (), user, max_entries, since, name, queue)
    return ListReply(list(found.jobs()))


def job_list_inactive(
    flux_handle: Flux, since: float = 0.0, max_entries: int = 1000, attrs: Sequence[str] = ("all",)
) -> ListReply:
    """List inactive jobs of all users."""
    found = JobList(flux_handle, attrs, ["inactive"], max_entries=max_entries, since=since)
    return ListReply(list(found.jobs()))


def job_list_id(flux_handle: Flux, jobid: JobID | int | str, attrs: Sequence[str] = ("all",)) -> ListReply:
    """Look one job up."""
    return ListReply([by_id(flux_handle, jobid)])


def _userid(user: str | int | None) -> int | None:
    if user is None or isinstance(user, int):
        return user
    import pwd

    return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
