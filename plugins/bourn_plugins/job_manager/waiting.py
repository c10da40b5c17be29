"""Waiting for waitable jobs: each is reported once (RFC 21, flag `waitable`). Pure."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Protocol

from bourn.errors import BournError
from bourn.model.jobid import JobID
from bourn_plugins.job_manager.job import WAITABLE

if TYPE_CHECKING:
    from bourn_plugins.job_manager.job import Job


class Waiter(Protocol):
    """A request that waits."""

    def respond(self, payload: object = None) -> None: ...  # noqa: D102
    def error(self, errnum: int, text: str = "") -> None: ...  # noqa: D102


class WaitRoom:
    """Who waits for which job, and the jobs that ended before anyone waited."""

    def __init__(self) -> None:
        self.running: set[int] = set()
        self._ended: dict[int, dict[str, Any]] = {}
        self._for_one: dict[int, Waiter] = {}
        self._for_any: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._for_one) + len(self._for_any)

    def add(self, job: Job) -> None:
        """Note an active job; only waitable ones count."""
        if job.flags & WAITABLE:
            self.running.add(job.id)

    def ended(self, job: Job) -> None:
        """Report a job, or keep its end until someone waits."""
        if job.id not in self.running:
            return
        self.running.discard(job.id)
        report = outcome(job)
        waiter = self._for_one.pop(job.id, None)
        if waiter is None and self._for_any:
            waiter = self._for_any.pop(0)
        if waiter is not None:
            waiter.respond(report)
        else:
            self._ended[job.id] = report
        if not self.running and not self._ended:
            for other in self._for_any:
                other.error(errno.ECHILD, "there are no more waitable jobs")
            self._for_any.clear()

    def wait(self, waiter: Waiter, jobid: int | None) -> dict[str, Any] | None:
        """Return the report if there is one already, or keep the waiter; ECHILD if there is nothing to
        wait for."""
        if jobid is None:
            if self._ended:
                return self._ended.pop(next(iter(self._ended)))
            if not self.running or len(self._for_any) + len(self._for_one) >= len(self.running):
                raise BournError("there are no more waitable jobs", errno.ECHILD)
            self._for_any.append(waiter)
            return None
        if jobid in self._ended:
            return self._ended.pop(jobid)
        if jobid not in self.running:
            raise BournError(
                f"job {JobID(jobid)} can't be waited for: it is unknown, was not submitted with the flag "
                "waitable, or has been waited for",
                errno.ECHILD,
            )
        if jobid in self._for_one:
            raise BournError(f"someone waits for job {JobID(jobid)} already", errno.EINVAL)
        self._for_one[jobid] = waiter
        return None

    def leave(self, waiter: Waiter) -> None:
        """Forget a waiter that has gone."""
        if waiter in self._for_any:
            self._for_any.remove(waiter)
        self._for_one = {jobid: other for jobid, other in self._for_one.items() if other is not waiter}


def outcome(job: Job) -> dict[str, Any]:
    """Return how a job ended: {id, success, errstr, status}."""
    success, text = True, ""
    if job.exception is not None and job.exception[1] == 0:
        success = False
        text = f"Fatal exception type={job.exception[0]} {job.exception[2]}".rstrip()
    elif job.waitstatus is not None and job.waitstatus != 0:
        success = False
        text = describe_status(job.waitstatus)
    return {"id": job.id, "success": success, "errstr": text, "status": job.waitstatus}


def describe_status(status: int) -> str:
    """Put a wait status into words."""
    if os.WIFSIGNALED(status):
        return f"task(s) terminated by signal {os.WTERMSIG(status)}"
    return f"task(s) exited with exit code {os.WEXITSTATUS(status)}"
