"""Allows `attributes.system.queue` of pending jobs to change; the constraint on node properties follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.config.tables import QueueTable
from bourn.errors import suggest
from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin, UpdateVerdict
from bourn.model.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.config import Config
    from bourn.hookspecs.job_plugins import JobActions, JobView

KEY = "attributes.system.queue"
CONSTRAINTS = "attributes.system.constraints"


class UpdateQueue(JobPlugin):
    """Moves a job that has no resources yet."""

    name = "update-queue"
    default = True
    update_keys = frozenset({KEY})

    def __init__(self) -> None:
        self._queues: dict[str, QueueTable] = {}

    def conf_update(self, config: Config) -> str | None:
        """Read the queues."""
        self._queues = config.table("queues", dict[str, QueueTable])
        return None

    def update(self, job: JobView, key: str, value: Any, act: JobActions) -> UpdateVerdict | str:
        """Check the queue and the job's state; the scheduler is asked whether the job fits there."""
        if not isinstance(value, str) or value not in self._queues:
            return f"no such queue '{value}'{suggest(str(value), self._queues)}"
        if job.state not in State.PENDING:
            return "its queue can't change any more: the job has its resources"
        if value == job.queue:
            return f"the job is in queue '{value}' already"
        old = self._queues.get(job.queue or "")
        constraint = moved(job.attr(CONSTRAINTS), old.requires if old else (), self._queues[value].requires)
        return UpdateVerdict({CONSTRAINTS: constraint}, feasibility=True)


def moved(constraint: Any, old: tuple[str, ...], new: tuple[str, ...]) -> Any:
    """Return a constraint with what the old queue demanded replaced by what the new one does."""
    demand = {"properties": list(old)}
    parts: list[Any]
    if not constraint or (old and constraint == demand):
        parts = []
    elif old and isinstance(constraint, dict) and demand in constraint.get("and", ()):
        parts = [part for part in constraint["and"] if part != demand]
    else:
        parts = [constraint]
    if new:
        parts.append({"properties": list(new)})
    if not parts:
        return {}
    return parts[0] if len(parts) == 1 else {"and": parts}


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield UpdateQueue()
