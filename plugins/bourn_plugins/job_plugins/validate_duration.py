"""Refuses jobs whose time limit is longer than the instance has left to live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.model.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.job_plugins import JobActions, JobHost, JobView


class ValidateDuration(JobPlugin):
    """An instance inside a job ends with that job."""

    name = "validate-duration"
    default = True

    def load(self, host: JobHost) -> None:
        """Keep the host, to find the resources."""
        self._host = host

    def validate(self, job: JobView, act: JobActions) -> str | None:
        """Compare the job's end, if it started now, with the end of the instance's resources."""
        duration = job.attr("attributes.system.duration")
        if not duration or self._host.ctx is None:
            return None
        expiration: float = getattr(self._host.ctx.provider("resource"), "expiration", 0.0)
        left = expiration - act.now()
        if not expiration or duration <= left:
            return None
        remaining = format_duration(max(left, 0.0))
        return f"duration {format_duration(duration)} exceeds what the instance has left, {remaining}"


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield ValidateDuration()
