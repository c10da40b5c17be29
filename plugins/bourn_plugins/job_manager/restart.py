"""Start: jobs come back to what their eventlogs say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError
from bourn.hookspecs.store import EVENTLOG, RESOURCE_SET
from bourn.model.interned import INTERNED
from bourn.model.states import State
from bourn_plugins.job_manager.intake import facts_of
from bourn_plugins.job_manager.job import (
    ALLOC_BYPASS,
    ALLOCATED,
    ASKED_EXEC_CANCEL,
    ASKED_START,
    FINISHED,
    RELEASED,
    STARTED,
    Job,
)
from bourn_plugins.job_manager.machine import apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bourn.hookspecs.store import NewJob, Store
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.hooks import Loaded

log = logging.getLogger("bourn.job-manager")

_decode = msgspec.json.Decoder().decode


def replay(job: Job, text: str) -> None:
    """Make the events of an eventlog happen to a new job; BournError if one can't."""
    for line in text.rstrip("\n").split("\n"):
        try:
            entry: dict[str, Any] = _decode(line)
            apply(job, entry["name"], entry["timestamp"], entry.get("context"))
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise BournError(f"eventlog line {job.events + 1}: {error}") from None


def job_of(row: NewJob) -> Job:
    """Return a job as it was submitted, before any event."""
    spec = INTERNED.intern_row(row.spec_json, row.environment)
    overrides = _decode(row.overrides) if row.overrides else None
    facts = facts_of(spec, overrides)
    return Job(
        row.id, row.userid, row.urgency, row.flags, row.t_submit, spec, overrides, facts.name, facts.queue
    )


def load(store: Store) -> Iterator[Job]:
    """Replay the store's active jobs, oldest first; one that can't be replayed is reported and left out."""
    logs = _grouped(store.active_events(EVENTLOG))
    resources = dict(store.active_events(RESOURCE_SET))
    for row in list(store.active_jobs()):
        try:
            job = job_of(row)
            replay(job, logs.get(row.id, ""))
            if row.id in resources and (job.facts & ALLOCATED or job.flags & ALLOC_BYPASS):
                job.R = _decode(resources[row.id])
                assert job.R is not None
                job.expiration = job.expiration or job.R["execution"].get("expiration") or 0.0
        except (BournError, msgspec.MsgspecError, LookupError, TypeError, AttributeError) as error:
            log.error("job %d is left out, its journal is broken: %s", row.id, error)
            continue
        yield job


def resume(engine: Engine, jobs: Iterable[Job]) -> None:
    """Put replayed jobs into the engine and let each go on; running ones wait for execution to attach."""
    jobs = list(jobs)
    hooks = engine.hooks
    engine.jobs.update((job.id, job) for job in jobs)
    engine.running += sum(1 for job in jobs if job.t_run)
    for job in jobs:
        job.queued = []
        hooks.tell(hooks.create, job, hooks.act)
        _restore_dependencies(engine, job)
        if job.state is not State.NEW:
            hooks.tell(hooks.new, job, hooks.act)
            # What they add was added before the restart; only news is posted.
            job.queued = [event for event in job.queued if not _known(job, *event)]
    for job in jobs:
        if job.state is State.NEW:
            engine.accept(job)
            continue
        posted, job.queued = job.queued or [], None
        if handed_out(job):
            job.asked |= ASKED_START
            if job.state is State.CLEANUP and not job.facts & FINISHED:
                job.asked |= ASKED_EXEC_CANCEL
        if job.state is State.SCHED:
            engine.post(job, "restart")
        for name, context in posted:
            engine.post(job, name, context)
        engine.pump(job)
    engine.kick()


def introduce(engine: Engine, entry: Loaded) -> None:
    """Tell a plugin that was just loaded of the jobs that are there: `create`, then `new`."""
    hooks = engine.hooks
    own = [hook for hook in (*hooks.create, *hooks.new) if hook[0] is entry]
    for job in list(engine.jobs.values()):
        if job.state is not State.INACTIVE:
            for hook in own:
                hooks.tell([hook], job, hooks.act)


def handed_out(job: Job) -> bool:
    """Say whether execution may have the job: it is asked, and answers with a release if it doesn't."""
    if not job.facts & ALLOCATED or job.facts & RELEASED:
        return False
    return bool(job.facts & STARTED) or not job.prologs


def _restore_dependencies(engine: Engine, job: Job) -> None:
    """Tell the plugins of the job's dependencies; only a job that hasn't passed them can be ended by that."""
    waits = job.state in (State.NEW, State.DEPEND)
    for dependency in job.attr("attributes.system.dependencies") or ():
        reason = engine.hooks.depend(job, dependency)
        if reason is not None and waits:
            assert job.queued is not None
            job.queued.append(("exception", {"type": "depend", "severity": 0, "note": reason}))


def _known(job: Job, name: str, context: dict[str, Any] | None) -> bool:
    """Say whether an event would only repeat what the eventlog has."""
    if name != "dependency-add" or context is None:
        return False
    return job.state is not State.DEPEND or context.get("description") in (job.deps or {})


def _grouped(rows: Iterable[tuple[int, str]]) -> dict[int, str]:
    texts: dict[int, list[str]] = {}
    for jobid, text in rows:
        texts.setdefault(jobid, []).append(text)
    return {jobid: "".join(parts) for jobid, parts in texts.items()}
