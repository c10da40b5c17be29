"""Lists of jobs, read in pieces, so that a hundred thousand finished jobs are never held at once.

for info in bourn.JobList(h, filters="running,failed", name="app").jobs():
    print(info.id, info.status, info.runtime)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.client.jobfields import INACTIVE, JobInfo
from bourn.model.states import parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bourn.client.handle import Handle
    from bourn.model.jobid import JobID


class JobList:
    """A query. Active jobs come first, then inactive ones, the latest first.

    Args:
        attrs: the attributes wanted; all by default.
        filters: states and results, as `pending,failed`; all by default.
        user: a user id; all that the caller may see by default.
        ids: only these jobs, in this order; an unknown one raises RPCError ENOENT. Excludes other filters.
        name, queue: only jobs of this name, in this queue; `queue` may be several, separated by commas.
        hosts: only jobs that run or ran on one of these hosts.
        ranks: likewise, for ranks (idset).
        since: of inactive jobs, only those that ended later than this (seconds since 1970).
        max_entries: how many jobs; 0 for all.
        constraint: a further constraint of RFC 43.
        arrays: tell of arrays instead of their members.
        array: only the members of this array; RPCError ENOENT when it isn't one.
    """

    def __init__(
        self,
        h: Handle,
        *,
        attrs: Sequence[str] = ("all",),
        filters: str | Iterable[str] = "",
        user: int | None = None,
        ids: Iterable[JobID | int] | None = None,
        name: str | None = None,
        queue: str | None = None,
        hosts: str | None = None,
        ranks: str | None = None,
        since: float = 0.0,
        max_entries: int = 0,
        constraint: dict[str, Any] | None = None,
        arrays: bool = False,
        array: JobID | int | None = None,
    ) -> None:
        self._h = h
        self._attrs = list(attrs)
        self._ids = None if ids is None else [int(id) for id in ids]
        self._request: dict[str, Any] = {"attrs": self._attrs, "max_entries": max_entries, "since": since}
        for key, value in (("userid", user), ("name", name), ("hostlist", hosts), ("ranks", ranks)):
            if value is not None:
                self._request[key] = value
        if arrays:
            self._request["arrays"] = True
        if array is not None:
            self._request["array"] = int(array)
        if queue is not None:
            self._request["queue"] = queue.split(",")
        words = filters if isinstance(filters, str) else ",".join(filters)
        parts = [part for part in (constraint, _filter_constraint(words)) if part]
        if parts:
            self._request["constraint"] = {"and": parts}

    def chunks(self) -> Iterator[list[dict[str, Any]]]:
        """Yield lists of records, as the service sends them."""
        if self._ids is not None:
            yield self._h.rpc("job-list.list-id", {"ids": self._ids, "attrs": self._attrs}).get()["jobs"]
            return
        for reply in self._h.rpc("job-list.list", self._request, streaming=True):
            yield reply["jobs"]

    def jobs(self) -> Iterator[JobInfo]:
        """Yield the jobs."""
        for chunk in self.chunks():
            yield from map(JobInfo, chunk)


def job_by_id(h: Handle, id: JobID | int) -> JobInfo:
    """Return what is known of one job; RPCError ENOENT for an unknown one."""
    return JobInfo(h.rpc("job-list.list-id", {"id": int(id), "attrs": ["all", "usage"]}).get()["job"])


def _filter_constraint(words: str) -> dict[str, Any] | None:
    """Return the constraint for names of states and results; the result of a job is asked for once it has
    ended.
    """
    states, results = parse_filter(words)
    if not states:
        return None
    if not results:
        return {"states": [states]}
    ended = {"and": [{"states": [INACTIVE]}, {"results": [results]}]}
    active = states & ~INACTIVE
    return {"or": [{"states": [active]}, ended]} if active else ended
