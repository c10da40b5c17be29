"""Holds every job that is submitted: its urgency becomes 0. In use where `[job-manager] plugins` names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.job_plugins import JobActions, JobView


class SubmitHold(JobPlugin):
    """Waits for somebody to raise the urgency."""

    name = "submit-hold"

    def depend(self, job: JobView, act: JobActions) -> None:
        """Hold the job; this is called once in its life, not at a restart."""
        act.post_event(job.id, "urgency", {"urgency": 0, "userid": job.userid})


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield SubmitHold()
