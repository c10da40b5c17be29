"""Boot method `join`: a broker that a running instance has had started, to take part in it as a further rank.

It is a task of a job of the parent instance: what it has to know, which `overlay.invite` says, is in its
environment, and its certificate goes to the instance by way of the parent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.boot import LAUNCHER, BootMethod

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bourn.config import Config


class Joining:
    """A broker's part."""

    def __init__(self, invitation: Mapping[str, Any], task: int, tasks: int, uri: str, job: str) -> None:
        self.rank = int(invitation["rank"]) + task
        self.size = int(invitation["rank"]) + tasks
        self.attributes: Mapping[str, str] = {
            "instance-id": str(invitation["instance"]),
            "tbon.topo": "kary:0",  # what matters of it: rank 0 is the parent
        }
        self._root: Mapping[str, Any] = invitation["root"]
        self._uri = uri
        self._job = job

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Introduce this broker, and wait until rank 0 knows it."""
        from bourn.client.aio import Handle
        from bourn.model.jobid import JobID

        request = {"id": int(JobID.parse(self._job)), "rank": self.rank, "card": dict(card)}
        async with Handle(self._uri) as parent:
            await parent.rpc("hierarchy.meet", request)
        return {0: self._root}

    async def close(self, error: BournError | None = None) -> None:
        """Nobody waits to be told: the end of the job says it."""


def _never(environ: Mapping[str, str], config: Config) -> bool:
    return False


def _open(environ: Mapping[str, str], config: Config) -> Joining:
    try:
        task, tasks = int(environ["BOURN_TASK_RANK"]), int(environ["BOURN_JOB_SIZE"])
        invitation = json.loads(environ[LAUNCHER])
        return Joining(invitation, task, tasks, environ["BOURN_URI"], environ["BOURN_JOB_ID"])
    except (ValueError, KeyError, TypeError) as error:
        raise BournError(
            f"{LAUNCHER}: it isn't what `bourn grow` sets, for a task of a job: {error!r}"
        ) from None


@hookimpl
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register `join`."""
    yield BootMethod("join", _never, _open, needs=(LAUNCHER,))
