"""Submission: what a job is checked for before it is accepted, and the row that it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.errors import BournError
from bourn.hookspecs.store import SIGNED_JOBSPEC, NewJob
from bourn_plugins.job_manager.engine import Engine, encode_json
from bourn_plugins.job_manager.job import Job
from bourn_plugins.job_manager.turn import Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.hookspecs.store import ArrayRow
    from bourn.model.interned import IngestedJob, InternedJobspec

__all__ = ["Intake", "facts_of"]


class Facts(NamedTuple):
    """What equal jobs have in common, in the terms of the database."""

    name: str
    queue: str | None
    cwd: str | None
    project: str | None
    bank: str | None
    ntasks: int
    duration: float
    dependencies: Sequence[Any]


def facts_of(spec: InternedJobspec, overrides: Mapping[str, Any] | None) -> Facts:
    """Read the facts from a jobspec and one job's own keys."""
    obj: Mapping[str, Any] = spec.obj
    counts = spec.counts
    if overrides:
        from bourn.model.counts import jobspec_counts
        from bourn.model.overrides import LABELS, apply_overrides

        obj = apply_overrides(obj, overrides)
        if not all(key.startswith(LABELS) for key in overrides):
            counts = jobspec_counts(obj)
    system = (obj["attributes"] or {}).get("system") or {}
    name = (system.get("job") or {}).get("name")
    if not name:
        command = obj["tasks"][0]["command"]
        words = command.split() if isinstance(command, str) else command
        name = str(words[0]).rsplit("/", 1)[-1] if words else ""
    return Facts(
        name,
        system.get("queue"),
        system.get("cwd"),
        system.get("project"),
        system.get("bank"),
        counts.ntasks,
        counts.duration,
        system.get("dependencies") or (),
    )


class Intake:
    """Accepts or refuses submissions as a whole.

    Args:
        engine: which gets the jobs that are accepted.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def submit(
        self,
        items: Sequence[IngestedJob],
        done: Callable[[BournError | None], None],
        arrays: Sequence[ArrayRow] = (),
    ) -> None:
        """Accept all jobs and arrays, durably, or none; `done` gets None or the reason, perhaps before this
        returns.
        """
        engine = self.engine
        engine.now()
        if engine.stuck is not None:
            done(engine.stuck)
            return
        known: dict[int, tuple[Facts, str | None]] = {}
        jobs: list[Job] = []
        rows: list[NewJob] = []
        plugins = bool(engine.hooks.create or engine.hooks.validate)
        for item in items:
            spec = item.jobspec
            overrides = item.overrides or None
            if overrides:
                facts = facts_of(spec, overrides)
                reason = engine.queues.refuse(facts.queue, item.userid)
            else:
                entry = known.get(id(spec))
                if entry is None:
                    facts = facts_of(spec, None)
                    entry = (facts, engine.queues.refuse(facts.queue, item.userid))
                    known[id(spec)] = entry
                facts, reason = entry
            job = _job(item, facts)
            jobs.append(job)
            if reason is None and (plugins or facts.dependencies):
                reason = self._check(job, facts)
            if reason is not None:
                self._undo(jobs)
                where = f"job {len(jobs) - 1}: " if len(items) > 1 else ""
                done(BournError(where + reason))
                return
            rows.append(_row(item, facts))
        engine.submit(Submission(jobs, done), rows, _signed(items), arrays)

    def take(
        self, items: Sequence[IngestedJob], facts: Facts, done: Callable[[BournError | None], None]
    ) -> None:
        """Make members of an array into jobs: what they have in common was checked with the array.

        One that a plugin refuses now is ended by an exception.
        """
        engine = self.engine
        plugins = bool(engine.hooks.create or engine.hooks.validate or facts.dependencies)
        jobs: list[Job] = []
        refused: list[tuple[Job, str]] = []
        for item in items:
            job = _job(item, facts)
            jobs.append(job)
            if plugins:
                reason = self._check(job, facts)
                if reason is not None:
                    refused.append((job, reason))
        rows = [_row(item, facts) for item in items]
        engine.submit(Submission(jobs, done), rows, _signed(items))
        for job, reason in refused:
            engine.post(job, "exception", {"type": "refused", "severity": 0, "note": reason})

    def probe(self, item: IngestedJob) -> str | None:
        """Say what a job would be refused for, without taking it."""
        facts = facts_of(item.jobspec, None)
        if not (self.engine.hooks.create or self.engine.hooks.validate or facts.dependencies):
            return None
        job = _job(item, facts)
        reason = self._check(job, facts)
        self._undo([job])
        return reason

    def _check(self, job: Job, facts: Facts) -> str | None:
        """Ask plugins; events that they post meanwhile wait in the job's queue."""
        engine = self.engine
        hooks = engine.hooks
        job.queued = []
        # Plugins reach the job by its id.
        engine.jobs[job.id] = job
        hooks.tell(hooks.create, job, hooks.act)
        reason = hooks.check(job)
        for dependency in facts.dependencies:
            reason = reason or hooks.depend(job, dependency)
        return reason

    def _undo(self, jobs: list[Job]) -> None:
        destroy = self.engine.hooks.subscribers.get("destroy", ())
        for job in jobs:
            if self.engine.jobs.pop(job.id, None) is not None:
                self.engine.hooks.tell(destroy, job)


def _job(item: IngestedJob, facts: Facts) -> Job:
    return Job(
        item.id,
        item.userid,
        item.urgency,
        item.flags,
        item.t_submit,
        item.jobspec,
        item.overrides or None,
        facts.name,
        facts.queue,
    )


def _row(item: IngestedJob, facts: Facts) -> NewJob:
    spec = item.jobspec
    return NewJob(
        item.id,
        item.userid,
        item.urgency,
        item.flags,
        item.t_submit,
        spec.hash,
        spec.json,
        encode_json(item.overrides) if item.overrides else None,
        item.key,
        facts.name,
        facts.queue,
        facts.cwd,
        facts.project,
        facts.bank,
        facts.ntasks,
        facts.duration,
        spec.environment.row if spec.environment else None,
    )


def _signed(items: Sequence[IngestedJob]) -> list[tuple[int, str, str]]:
    return [(item.id, SIGNED_JOBSPEC, item.signed + "\n") for item in items if item.signed]
