"""Priority policy `urgency`: a job's priority is its urgency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.priority import PriorityPolicySpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.hookspecs.job_plugins import JobView


class Urgency:
    """First by urgency, then by submission."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        for key in options:
            raise ConfigError(f"[job-manager.priority]: unknown key '{key}'; the policy urgency takes none")

    def priority(self, job: JobView, now: float) -> int:
        """Return the urgency."""
        return job.urgency


@hookimpl
def bourn_priority_policies() -> Iterable[PriorityPolicySpec]:
    """Register `urgency`."""
    yield PriorityPolicySpec("urgency", Urgency, summary="a job's priority is its urgency")
