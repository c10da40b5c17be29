"""What one turn of the job manager decided: rows to commit together, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define, field

from bourn.hookspecs.store import EVENTLOG, Batch, JobDone
from bourn_plugins.job_manager.machine import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bourn.errors import BournError
    from bourn_plugins.job_manager.job import Job

__all__ = ["IllegalEvent", "Submission", "Turn", "job_done"]


@define(eq=False)
class Submission:
    """Jobs accepted together, and who waits for them to be durable."""

    jobs: list[Job]
    done: Callable[[BournError | None], None]


@define(eq=False)
class Turn:
    """Grows until it is sealed and written; its effects follow the commit, in the order of the fields."""

    batch: Batch = field(factory=Batch)
    dirty: list[Job] = Factory(list)
    """Jobs with lines that are in no batch yet."""
    submissions: list[Submission] = Factory(list)
    gone: list[Job] = Factory(list)
    """Jobs that became inactive."""
    starts: list[Job] = Factory(list)
    exec_cancels: list[Job] = Factory(list)
    transitions: list[tuple[int, str, float]] = Factory(list)
    """(id, state, time) where somebody listens to them."""
    committed: list[Callable[[], None]] = Factory(list)
    """Whoever else waits for the commit."""
    failed: list[Callable[[BournError], None]] = Factory(list)
    """Those of them who want to know when it has failed, though it'll be tried again."""

    def __bool__(self) -> bool:
        return bool(self.dirty or self.committed or self.batch)

    def seal(self) -> Batch:
        """Move the jobs' new lines into the batch: all events that a job had in the turn are one row."""
        logs = self.batch.logs
        for job in self.dirty:
            logs.append((job.id, EVENTLOG, job.text))
            job.text = ""
        self.dirty.clear()
        return self.batch

    def drop(self, ids: set[int]) -> None:
        """Take out jobs whose submission failed."""
        batch = self.batch
        batch.jobs = [row for row in batch.jobs if row.id not in ids]
        batch.logs = [row for row in batch.logs if row[0] not in ids]
        batch.updates = [row for row in batch.updates if row.id not in ids]
        batch.done = [row for row in batch.done if row.id not in ids]
        for jobs in (self.dirty, self.gone, self.starts, self.exec_cancels):
            jobs[:] = [job for job in jobs if job.id not in ids]


def job_done(job: Job, encode: Callable[[Any], str]) -> JobDone:
    """Return the row that ends a job; `encode` makes JSON text."""
    nnodes, ncores, ranks, nodelist = _extent(job.R)
    kind, severity, note = job.exception or (None, None, None)
    return JobDone(
        job.id,
        int(job.result or 0),
        job.t_inactive,
        job.t_depend,
        job.t_run,
        job.t_cleanup,
        job.waitstatus,
        job.urgency,
        job.priority if job.priority > 0 else 0,
        nnodes,
        ncores,
        ranks,
        nodelist,
        job.expiration,
        kind,
        severity,
        note,
        encode(job.notes) if job.notes else None,
        job.retries,
    )


def _extent(R: Mapping[str, Any] | None) -> tuple[int | None, int | None, str | None, str | None]:
    """Return (nodes, cores, ranks, node list) of R."""
    if R is None:
        return None, None, None, None
    execution = R["execution"]
    nnodes = ncores = 0
    ranks = []
    for entry in execution["R_lite"]:
        rank = entry["rank"]
        nodes = _count(rank)
        nnodes += nodes
        ncores += nodes * _count(entry["children"].get("core", ""))
        ranks.append(rank)
    nodelist = execution.get("nodelist")
    return nnodes, ncores, ",".join(ranks), ",".join(nodelist) if nodelist else None


_counts: dict[str, int] = {}


def _count(ids: str) -> int:
    """Return the size of an idset; the same few texts come again and again."""
    size = _counts.get(ids)
    if size is None:
        from bourn.model.idset import IdSet

        if len(_counts) > 10_000:
            _counts.clear()
        size = _counts[ids] = len(IdSet(ids)) if ids else 0
    return size
