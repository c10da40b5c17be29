"""The scheduler protocol (RFC 27), in batches: between the job manager and whoever provides ``sched``.

A scheduler is a broker module (`bourn.hookspecs.modules`) whose object also implements `Scheduler`. When it
starts it takes the running jobs from `SchedClient.sched_hello`, rebuilds what is in use, and calls
`SchedClient.sched_ready`. From then on the job manager calls it once a turn with everything that has changed,
and it answers through `SchedClient`, once a pass. All calls are plain and synchronous: in one process,
nothing is serialised. A scheduler in another process gets the same calls as RPCs (docs/protocol.md).

R is a dict of RFC 20 and, once told, immutable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.model.interned import InternedJobspec

__all__ = ["AllocRequest", "FreeRequest", "HelloJob", "SchedClient", "Scheduler"]


@define(eq=False)
class HelloJob:
    """A job that holds resources when the scheduler starts."""

    id: int
    R: dict[str, Any]
    """What it holds; every `R` here is treated as immutable."""
    priority: int
    userid: int
    t_alloc: float
    """Seconds since the epoch."""
    jobspec: InternedJobspec


@define(eq=False)
class AllocRequest:
    """A job that wants resources."""

    id: int
    priority: int
    """0..4294967295, higher first; ties go by `t_submit`, then `id`."""
    userid: int
    t_submit: float
    """Seconds since the epoch."""
    jobspec: InternedJobspec
    """Shared by all equal jobs; what is computed for it can be kept by its hash."""
    overrides: dict[str, Any] | None = None
    """Dotted keys that this job has besides, or instead of, those of the jobspec."""
    queue: str | None = None


@define(eq=False)
class FreeRequest:
    """Resources that a job gives back."""

    id: int
    R: dict[str, Any]
    """What is given back now: all that the job has, or some of its ranks."""
    final: bool = True
    """Whether nothing is left after this."""


class SchedClient(Protocol):
    """What a scheduler may call: the job manager."""

    def sched_hello(self, scheduler: Scheduler) -> list[HelloJob]:
        """Attach, and return the jobs that hold resources now."""
        ...

    def sched_ready(self, scheduler: Scheduler) -> None:
        """Say that requests may come."""
        ...

    def alloc_success(self, jobs: Sequence[tuple[int, dict[str, Any], dict[str, Any] | None]]) -> None:
        """Give each (id, R, annotations or None) its resources. R is made durable before the job starts."""
        ...

    def alloc_deny(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Refuse each (id, reason): it can never run; the user reads the reason."""
        ...

    def alloc_cancelled(self, ids: Sequence[int]) -> None:
        """Confirm that these requests, which the job manager cancelled, are forgotten."""
        ...

    def annotate(self, jobs: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Attach (id, annotations) to pending jobs, as ``{"sched": {"reason": ..., "t_estimate": ...}}``."""
        ...


@runtime_checkable
class Scheduler(Protocol):
    """What a module that provides ``sched`` implements. Each call only notes its input; a pass follows."""

    def alloc(self, jobs: Sequence[AllocRequest]) -> None:
        """Take new requests; each is answered once: by success, deny or, after `cancel`, cancelled."""
        ...

    def free(self, jobs: Sequence[FreeRequest]) -> None:
        """Take resources back; there is no answer."""
        ...

    def cancel(self, ids: Sequence[int]) -> None:
        """Forget pending requests; an id that has been answered already is ignored."""
        ...

    def prioritize(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Take (id, priority) of pending requests."""
        ...

    def expiration(self, id: int, t: float) -> str | None:
        """Move the end of a running job to `t` (epoch seconds, 0 = none): None agrees, a reason refuses."""
        ...

    def feasibility(self, jobspec: dict[str, Any]) -> str | None:
        """Say whether a jobspec could run if everything were free and up: None, or the reason why not."""
        ...
