"""Remembers each user's latest jobs, for `bourn plugins history` and `plugin-query`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.job_plugins import JobActions, JobView

LENGTH = 100


class History(JobPlugin):
    """The ids of a user's latest jobs, the newest first. In use where `[job-manager] plugins` names it."""

    name = "history"

    def __init__(self) -> None:
        self._jobs: dict[int, deque[int]] = {}

    def create(self, job: JobView, act: JobActions) -> None:
        """A job came: it is the newest."""
        self._jobs.setdefault(job.userid, deque(maxlen=LENGTH)).appendleft(job.id)

    def inactive_remove(self, id: int) -> None:
        """A job was purged."""
        for jobs in self._jobs.values():
            if id in jobs:
                jobs.remove(id)

    def query(self) -> dict[str, Any]:
        """Return the ids by user."""
        return {str(userid): list(jobs) for userid, jobs in self._jobs.items()}


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield History()
