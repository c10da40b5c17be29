"""How far a set of jobs has come, from their events: counts, exit status, what is left. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class JobProgress:
    """One job of the set."""

    __slots__ = ("done", "exception", "id", "index", "started", "status", "submitted")

    def __init__(self, id: int, index: int) -> None:
        self.id = id
        self.index = index
        self.submitted = 0.0
        self.started = False
        self.done = False
        self.status: int | None = None
        """Wait status of the finish event."""
        self.exception: Mapping[str, Any] | None = None
        """Context of the first exception of severity 0."""

    @property
    def exitcode(self) -> int:
        """The shell-like exit status: 128 + N for signal N, 1 for a job that never ran."""
        return exitcode(self.status) if self.status is not None else int(self.exception is not None)


class ProgressTable:
    """Follows jobs through their events; `wanted` is the event after which a job counts as done."""

    def __init__(self, ids: Iterable[int], wanted: str = "clean") -> None:
        self.jobs = {id: JobProgress(id, index) for index, id in enumerate(ids)}
        self.wanted = wanted
        self.left = len(self.jobs)
        self.running = 0
        self.completed = 0
        self.failed = 0

    @property
    def pending(self) -> int:
        """Jobs that neither run nor have ended."""
        return len(self.jobs) - self.running - self.completed - self.failed

    @property
    def exitcode(self) -> int:
        """The worst exit status of all jobs so far."""
        return max((job.exitcode for job in self.jobs.values()), default=0)

    def event(self, id: int, entry: Mapping[str, Any]) -> JobProgress | None:
        """Take an event; return its job, None for a job that isn't of the set."""
        job = self.jobs.get(id)
        if job is None or job.done:
            return job
        name = entry["name"]
        if name == "submit":
            job.submitted = entry["timestamp"]
        elif name == "start":
            job.started = True
            self.running += 1
        elif name == "finish":
            job.status = entry["context"]["status"]
            self._ended(job)
        elif name == "exception" and entry["context"]["severity"] == 0 and job.exception is None:
            job.exception = entry["context"]
        elif name == "retry":
            self.failed -= 1
            job.started = False
            job.status = job.exception = None
        elif name == "clean" and job.status is None:
            self._ended(job)
        if name in (self.wanted, "clean"):
            job.done = True
            self.left -= 1
        return job

    def _ended(self, job: JobProgress) -> None:
        if job.started:
            self.running -= 1
        if job.status is None or job.exitcode:
            self.failed += 1
        else:
            self.completed += 1


def exitcode(waitstatus: int) -> int:
    """Return what a shell would: the exit status, or 128 + N for signal N."""
    return 128 + (waitstatus & 0x7F) if waitstatus & 0x7F else waitstatus >> 8 & 0xFF


def describe(waitstatus: int) -> str:
    """Say how tasks ended, as the field's commands do; "" for success."""
    if waitstatus & 0x7F:
        import signal

        name = signal.strsignal(waitstatus & 0x7F) or f"Signal {waitstatus & 0x7F}"
        return f"task(s) {name}{' (core dumped)' if waitstatus & 0x80 else ''}"
    return f"task(s) exited with exit code {waitstatus >> 8}" if waitstatus else ""
