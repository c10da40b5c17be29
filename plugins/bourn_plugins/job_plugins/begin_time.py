"""Dependency `begin-time`: the job waits until a time, in seconds since the epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.job_plugins import Dependency, JobActions, JobView


class BeginTime(JobPlugin):
    """Wakes each job at its time."""

    name = "begin-time"
    default = True

    def __init__(self) -> None:
        self.dependency_schemes = {"begin-time": self._depend}

    def wake(self, job: JobView, act: JobActions) -> None:
        """The time has come."""
        for description in list(job.dependencies):
            if description.startswith("begin-time=") and float(description[11:]) <= act.now():
                act.remove_dependency(job.id, description)

    def _depend(self, job: JobView, dependency: Dependency, act: JobActions) -> str | None:
        value = dependency.get("value")
        try:
            at = float(str(value))
        except ValueError:
            at = math.nan
        if not 0 <= at < math.inf:
            return f"dependency begin-time:{value}: the value must be seconds since the epoch"
        if at > act.now():
            act.add_dependency(job.id, f"begin-time={at!r}")
            act.wake(self, at, job.id)
        elif f"begin-time={at!r}" in job.dependencies:
            # It came while the instance was down.
            act.wake(self, at, job.id)
        return None


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield BeginTime()
