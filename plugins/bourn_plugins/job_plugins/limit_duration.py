"""Limit `duration`, of `[policy.limits]` or a queue: a job's time limit may not be longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.config.tables import PolicyTable, QueueTable
from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.model.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.config import Config
    from bourn.hookspecs.job_plugins import JobActions, JobView


class LimitDuration(JobPlugin):
    """Refuses jobs at submission; a limit of 0 or `inf` is none, and lifts the general one for a queue."""

    name = "limit-duration"
    default = True

    def __init__(self) -> None:
        self._general: float | None = None
        self._queues: dict[str, float | None] = {}

    def conf_update(self, config: Config) -> str | None:
        """Read the limits."""
        self._general = config.table("policy", PolicyTable).limits.duration
        queues = config.table("queues", dict[str, QueueTable])
        self._queues = {name: queue.policy.limits.duration for name, queue in queues.items()}
        return None

    def validate(self, job: JobView, act: JobActions) -> str | None:
        """Compare the job's time limit, none being longer than any."""
        own = self._queues.get(job.queue) if job.queue else None
        limit = self._general if own is None else own
        if not limit or limit == float("inf"):
            return None
        duration = job.attr("attributes.system.duration") or 0.0
        if 0 < duration <= limit:
            return None
        asked = f"duration {format_duration(duration)}" if duration else "a job without a time limit"
        where = f" of queue '{job.queue}'" if own is not None else ""
        return f"{asked} exceeds the limit{where}, {format_duration(limit)}"


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield LimitDuration()
