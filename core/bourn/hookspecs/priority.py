"""Priority policies: which pending job comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bourn.hookspecs.job_plugins import JobView

__all__ = ["MAX_PRIORITY", "PriorityPolicy", "PriorityPolicySpec", "bourn_priority_policies"]

MAX_PRIORITY = 4294967295
"""The highest priority (RFC 18); urgency 31 gets it past any policy, urgency 0 gets 0 and holds."""


@runtime_checkable
class PriorityPolicy(Protocol):
    """Gives priorities. Pure: what it is told and the job are all it looks at."""

    def priority(self, job: JobView, now: float) -> int | None:
        """Return 0..`MAX_PRIORITY`, or None if it isn't known yet and the job must wait in PRIORITY.

        Asked when a job enters PRIORITY, when its urgency or jobspec changes, and for all pending jobs every
        `PriorityPolicySpec.period` seconds. `now` is in seconds since the epoch.
        """
        ...


@frozen
class PriorityPolicySpec:
    """A kind of priority policy."""

    name: str
    """What ``[job-manager] priority-policy`` names."""
    factory: Callable[[Mapping[str, Any]], PriorityPolicy]
    """Builds one from the options of ``[job-manager.priority]``; raise `ConfigError` for a wrong one."""
    period: float | None = None
    """Seconds after which priorities are computed anew (they age); None = never."""
    summary: str = ""


@hookspec
def bourn_priority_policies() -> Iterable[PriorityPolicySpec]:
    """Register ways to order pending jobs.

    Called: once, when the job manager starts.
    Process: broker, rank 0; and the simulator.
    Order: ``[job-manager] priority-policy`` picks one by name.
    Errors: an exception leaves this plugin's policies out; if the chosen one is missing the instance doesn't
    start. A policy that raises for a job is recorded, and the job gets its urgency as priority.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.priority import PriorityPolicySpec


        class Aging:
            '''Urgency first; among equals a day of waiting counts a thousand.'''

            def priority(self, job, now):
                return job.urgency * 1_000_000 + int((now - job.t_submit) / 86.4)


        @hookimpl
        def bourn_priority_policies():
            yield PriorityPolicySpec("aging", lambda options: Aging(), period=60.0)
    """
    raise NotImplementedError
