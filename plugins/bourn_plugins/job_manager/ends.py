"""The end of the instance moves: what else ends then."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from bourn.model.jobid import JobID
from bourn.model.states import State

if TYPE_CHECKING:
    from bourn_plugins.job_manager.engine import Engine

log = logging.getLogger("bourn.job-manager")

MOVE_TRIES, MOVE_PAUSE = 100, 0.02
"""How often, and after how many seconds, to ask again for what the scheduler refuses to move."""


async def move_ends(engine: Engine, before: float, after: float) -> None:
    """Move the ends of the jobs that end with the instance, having no limit of their own (epoch seconds, 0 =
    none). The scheduler, which has been told of the new end, hears of it in a turn of its own, and refuses
    until then.
    """
    for _ in range(MOVE_TRIES):
        refused = _move(engine, before, after)
        if not refused:
            return
        await trio.sleep(MOVE_PAUSE)
    for id, reason in refused.items():
        log.warning("job %s keeps its end: %s", JobID(id), reason)


def _move(engine: Engine, before: float, after: float) -> dict[int, str]:
    """Return who may not, and why."""
    engine.now()
    refused = {}
    for job in list(engine.jobs.values()):
        if job.state is State.RUN and job.expiration == before and not job.duration:
            reason = engine.move_expiration(job, after)
            if reason is not None:
                refused[job.id] = reason
    engine.kick()
    return refused
