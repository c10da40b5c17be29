"""Limits `job-size`, of `[policy.limits]` or a queue: how many nodes, cores and GPUs jobs may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.config.tables import PolicyTable, QueueTable
from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.model.counts import jobspec_counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.config import Config
    from bourn.config.tables import SizeLimit
    from bourn.hookspecs.job_plugins import JobActions, JobView

KINDS = ("nnodes", "ncores", "ngpus")

Bounds = dict[str, tuple[int, int]]
"""Kind -> (least, most); the most is -1 where there is no bound."""


def bounds(own: SizeLimit | None, general: SizeLimit) -> Bounds:
    """Return a queue's limits, with the general ones where it has none; kinds without limits are left out."""
    found: Bounds = {}
    for kind in KINDS:
        low: int | None = getattr(own.min, kind) if own else None
        high: int | None = getattr(own.max, kind) if own else None
        low = getattr(general.min, kind) if low is None else low
        high = getattr(general.max, kind) if high is None else high
        if low or (high is not None and high >= 0):
            found[kind] = (low or 0, -1 if high is None else high)
    return found


class LimitJobSize(JobPlugin):
    """Refuses jobs at submission. -1 for a queue lifts the general upper limit."""

    name = "limit-job-size"
    default = True

    def __init__(self) -> None:
        self._limits: dict[str, Bounds] = {}
        self._last: tuple[Any, Mapping[str, int]] = (None, {})

    def conf_update(self, config: Config) -> str | None:
        """Read the limits."""
        general = config.table("policy", PolicyTable).limits.job_size
        queues = config.table("queues", dict[str, QueueTable])
        limits = {name: bounds(queue.policy.limits.job_size, general) for name, queue in queues.items()}
        limits[""] = bounds(None, general)
        for name, found in limits.items():
            for kind, (low, high) in found.items():
                if 0 <= high < low:
                    where = f"queue '{name}'" if name else "[policy.limits]"
                    return f"{where}: job-size.min.{kind} = {low} is more than job-size.max.{kind} = {high}"
        self._limits = {name: found for name, found in limits.items() if found}
        return None

    def validate(self, job: JobView, act: JobActions) -> str | None:
        """Compare the job's size."""
        found = self._limits.get(job.queue or "")
        if not found:
            return None
        sizes = self._sizes(job.jobspec)
        for kind, (low, high) in found.items():
            size = sizes[kind]
            noun = {"nnodes": "nodes", "ncores": "cores", "ngpus": "GPUs"}[kind]
            if 0 <= high < size:
                return f"the job needs {size} {noun}; at most {high} are allowed{_where(job)}"
            if size < low and not (kind == "nnodes" and size == 0):
                return f"the job needs {size} {noun}; at least {low} are asked for{_where(job)}"
        return None

    def _sizes(self, jobspec: Mapping[str, Any]) -> Mapping[str, int]:
        # Equal jobs share one jobspec and come together.
        if self._last[0] is not jobspec:
            counts = jobspec_counts(jobspec)
            sizes = {"nnodes": counts.nnodes or 0, "ncores": counts.ncores, "ngpus": counts.ngpus}
            self._last = (jobspec, sizes)
        return self._last[1]


def _where(job: JobView) -> str:
    return f" in queue '{job.queue}'" if job.queue else ""


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield LimitJobSize()
