"""Gives a job the resources that its jobspec brings along, past the scheduler: `-S alloc-bypass.R=...`.

For the instance's owner only. In use where `[job-manager] plugins` names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.job_plugins import JobActions, JobHost, JobView

KEY = "attributes.system.alloc-bypass.R"


class AllocBypass(JobPlugin):
    """Checks R at submission, and sets it when the job begins its life."""

    name = "alloc-bypass"

    def load(self, host: JobHost) -> None:
        """Keep the host, to know the owner."""
        self._host = host

    def validate(self, job: JobView, act: JobActions) -> str | None:
        """Refuse guests, and an R that is none."""
        R = job.attr(KEY)
        if R is None:
            return None
        if self._host.ctx is not None and job.userid != self._host.ctx.owner:
            return "alloc-bypass is for the instance's owner"
        from bourn.model.rset import ResourceSet

        try:
            ResourceSet.from_dict(R)
        except BournError as error:
            return f"{KEY}: {error.message}"
        return None

    def depend(self, job: JobView, act: JobActions) -> None:
        """Set R."""
        R = job.attr(KEY)
        if R is not None:
            act.set_resources(job.id, R)


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield AllocBypass()
