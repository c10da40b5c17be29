"""What the parts of the job manager's service share."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from bourn.broker.module import LATER, Module, Request, Role
from bourn.errors import BournError
from bourn.model.jobid import JobID
from bourn_plugins.job_manager.machine import IllegalEvent

if TYPE_CHECKING:
    from bourn.broker.request import Later
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.job import Job

PRIVILEGED = int(Role.OWNER | Role.ADMIN)


class EngineModule(Module):
    """A module around the engine; requests that change something are answered when that is durable."""

    engine: Engine

    def job_for(self, request: Request, id: int) -> Job:
        """Return an active job that the sender may act upon."""
        job = self.engine.find(id)
        if not request.rolemask & PRIVILEGED and request.userid != job.userid:
            raise BournError(
                f"job {JobID(id)} belongs to user {job.userid}, not to user {request.userid}", errno.EPERM
            )
        return job

    def post(self, job: Job, name: str, context: dict[str, Any]) -> None:
        """Make an event happen; the error names the job."""
        try:
            self.engine.now()
            self.engine.post(job, name, context)
        except IllegalEvent as error:
            raise BournError(f"job {JobID(job.id)}: {error.message}", errno.EINVAL) from None

    def answer_when_durable(self, request: Request, payload: Any = None) -> Later:
        """Respond once all that has happened up to now is durable, or with an error that says that it
        isn't.
        """
        self.engine.when_committed(
            lambda: request.respond(payload), lambda error: request.error(error.errnum, error.message)
        )
        return LATER
