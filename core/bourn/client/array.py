"""Job arrays, from a program: many jobs that differ in their number only.

    with bourn.Handle() as h:
        array = bourn.job.submit_array(h, bourn.Jobspec.from_command(["render"]), "1-1000")
        print(array, array[7], array.wait(h).errstr)

A member's tasks find its number in `$BOURN_JOB_CC`. A member is a job with an id of its own; the array's id
stands for all of them in `bourn cancel`, `bourn job urgency`, `bourn job wait` and `bourn jobs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.client.submission import DEBUG, Submission, member_ids
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID, member_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bourn.client.handle import Future, Handle
    from bourn.client.jobfields import JobInfo
    from bourn.client.submission import JobspecLike


class ArrayResult(NamedTuple):
    """How an array ended: whether all members did well, in words why not, and how many ended how."""

    success: bool
    errstr: str
    counts: dict[str, int]


class JobArray:
    """An array, by its id and the numbers of its members."""

    def __init__(self, id: JobID | int | str, members: IdSet | str | Iterable[int]) -> None:
        self.id = JobID(id)
        self.members = members if isinstance(members, IdSet) else IdSet(members)

    @classmethod
    def get(cls, h: Handle, id: JobID | int | str) -> JobArray:
        """Return an array that was submitted before; RPCError ENOENT where there is none of that id."""
        reply = h.rpc("job-list.list-id", {"id": int(JobID(id)), "attrs": ["members"]}).get()
        if "members" not in reply["job"]:
            from bourn.errors import BournError

            raise BournError(f"{JobID(id)} is a job, not a job array")
        return cls(id, reply["job"]["members"])

    def __getitem__(self, number: int) -> JobID:
        """Return a member's id."""
        if number not in self.members:
            raise KeyError(f"array {self} has no member {number}")
        return JobID(member_id(self.id, number))

    def __iter__(self) -> Iterator[JobID]:
        return iter(member_ids(self.id, self.members))

    def __len__(self) -> int:
        return len(self.members)

    def __str__(self) -> str:
        return f"{self.id}[{self.members}]"

    def __repr__(self) -> str:
        return f"JobArray({str(self.id)!r}, {str(self.members)!r})"

    def counts(self, h: Handle) -> dict[str, int]:
        """Return how many members are pending, running, completed, failed, canceled, timeout."""
        reply = h.rpc("job-list.list-id", {"id": int(self.id), "attrs": ["counts"]}).get()
        found: dict[str, int] = reply["job"]["counts"]
        return found

    def jobs(self, h: Handle, **filters: Any) -> Iterator[JobInfo]:
        """Yield the members as listed; the filters are those of `bourn.JobList`."""
        from bourn.client.joblist import JobList

        return JobList(h, array=self.id, **filters).jobs()

    def wait_async(self, h: Handle) -> Future:
        """Ask for the end; the response is {id, success, errstr, counts}."""
        return h.rpc("job-manager.wait", {"id": int(self.id)})

    def wait(self, h: Handle, timeout: float | None = None) -> ArrayResult:
        """Wait until no member is left; as often as you like."""
        reply = self.wait_async(h).get(timeout)
        return ArrayResult(reply["success"], reply["errstr"], reply["counts"])

    def cancel(self, h: Handle, reason: str = "") -> None:
        """Cancel all members that have not ended."""
        h.rpc(
            "job-manager.raise", {"ids": [int(self.id)], "type": "cancel", "severity": 0, "note": reason}
        ).get()


def submit_array(
    h: Handle,
    jobspec: JobspecLike,
    members: IdSet | str | Iterable[int],
    urgency: int = 16,
    *,
    debug: bool = False,
    key: str | None = None,
) -> JobArray:
    """Submit an array and return it once it is durable; `members` are the numbers, as "1-1000" or a range.

    A retry with the same `key` returns the first submission's array.
    """
    numbers = members if isinstance(members, IdSet) else IdSet(members)
    submission = Submission()
    submission.add_array(jobspec, str(numbers), urgency=urgency, flags=DEBUG * debug, key=key)
    return JobArray(submission.send(h)[0], numbers)
