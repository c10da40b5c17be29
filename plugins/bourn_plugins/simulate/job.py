"""Jobs of a workload, and what the simulation did with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from attrs import Factory, define, frozen

from bourn.model import jobspec_build
from bourn.model.interned import INTERNED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.model.interned import InternedJobspec

State = Literal["pending", "running", "completed", "timeout", "denied"]
PRIORITY = 16
"""What a job has whose user says nothing (RFC 30)."""


@frozen(eq=False)
class Job:
    """One job of a workload. Times are seconds on the clock of the workload."""

    name: str
    """What the trace calls it."""
    submit: float
    runtime: float
    """How long it would run if nothing ended it."""
    jobspec: InternedJobspec
    user: int = 0
    queue: str | None = None
    priority: int = PRIORITY


@define(eq=False)
class Record:
    """A job in the simulation."""

    id: int
    """1, 2, ... in the order of submission."""
    job: Job
    submit: float
    state: State = "pending"
    start: float | None = None
    end: float | None = None
    """When it ended; of a running job None."""
    reason: str = ""
    """Why it was denied, or what it waited for last."""
    estimate: float | None = None
    """When the scheduler first said that it would start."""
    R_lite: list[dict[str, Any]] = Factory(list)
    """What it got: ranks and their children (RFC 20)."""
    nnodes: int = 0
    ncores: int = 0
    ngpus: int = 0

    @property
    def wait(self) -> float | None:
        """Seconds from submission to start; None if it didn't start."""
        return None if self.start is None else self.start - self.submit

    @property
    def slowdown(self) -> float | None:
        """Bounded slowdown: (wait + run) / run, where a run counts as 10 s at least; None if it didn't end.

        Feitelson et al., "Theory and practice in parallel job scheduling", 1997.
        """
        if self.start is None or self.end is None:
            return None
        return max(1.0, (self.end - self.submit) / max(self.end - self.start, 10.0))


class Workload(Protocol):
    """Where jobs come from."""

    def begin(self) -> Iterable[Job]:
        """Return the jobs that are known from the start."""
        ...

    def finished(self, record: Record) -> Iterable[Job]:
        """Return the jobs that come because one ended (or was denied); none is submitted before that."""
        ...


@frozen
class Trace:
    """A workload that is known from the start."""

    jobs: tuple[Job, ...]

    def begin(self) -> Iterable[Job]:
        """Return all jobs."""
        return self.jobs

    def finished(self, record: Record) -> Iterable[Job]:
        """Return none."""
        return ()


def sized_jobspec(
    *, nnodes: int = 0, ncores: int = 0, ngpus: int = 0, duration: float = 0.0, queue: str | None = None
) -> InternedJobspec:
    """Return the jobspec of a job by its size in all.

    Nodes alone are whole nodes; nodes with cores have an equal part on each, shared with other jobs. Without
    nodes, cores (and GPUs, each with an equal part of the cores) may lie anywhere. Raises `BournError` for
    parts that aren't equal.
    """
    extra: jobspec_build.Extra = {"duration": duration, "environment": {}, "queue": queue}
    command = ["true"]
    if nnodes and not ncores and not ngpus:
        obj = jobspec_build.per_resource(command, nnodes=nnodes, exclusive=True, **extra)
    elif nnodes:
        cores, gpus = _part(ncores or nnodes, nnodes, "ncores"), _part(ngpus, nnodes, "ngpus")
        obj = jobspec_build.from_command(command, nnodes, cores, gpus or None, nnodes, **extra)
    elif ngpus:
        obj = jobspec_build.from_command(command, ngpus, _part(ncores or ngpus, ngpus, "ncores"), 1, **extra)
    else:
        obj = jobspec_build.from_command(command, ncores or 1, **extra)
    return INTERNED.intern_obj(obj)


def _part(total: int, parts: int, key: str) -> int:
    if total % parts:
        from bourn.errors import BournError

        raise BournError(f"{key}: {total} can't be divided evenly into {parts}")
    return total // parts
