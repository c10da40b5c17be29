"""Allows `attributes.system.duration` to change: of pending jobs, and (for the owner) of running ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin, UpdateVerdict
from bourn.model.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.job_plugins import JobActions, JobView

KEY = "attributes.system.duration"


class UpdateDuration(JobPlugin):
    """Says yes to a time limit that makes sense; the job manager moves the end of a running job."""

    name = "update-duration"
    default = True
    update_keys = frozenset({KEY})

    def update(self, job: JobView, key: str, value: Any, act: JobActions) -> UpdateVerdict | str:
        """Check the value and the job's state."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            return f"{KEY} must be seconds, 0 for no limit, not {value!r}"
        if job.state is State.CLEANUP:
            return "its time limit can't change any more: the job has ended"
        if job.state is State.RUN and value:
            start = ((job.R or {}).get("execution") or {}).get("starttime") or 0.0
            if start and start + value <= act.now():
                return f"a time limit of {value} s would have ended it already"
        return UpdateVerdict()


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield UpdateDuration()
