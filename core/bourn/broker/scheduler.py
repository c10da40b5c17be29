"""What schedulers share: where their resources and running jobs come from (RFC 27, RFC 28)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import Module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.sched import HelloJob, SchedClient


class SchedulerModule(Module):
    """Takes the resources, then the jobs that run, then requests; and follows changes until it is stopped."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Say hello to the resource module and to the job manager, and live."""
        async with self.ctx.stream("resource.acquire") as updates:
            self._acquire(await anext(updates))
            for job in self._client.sched_hello(self):  # type: ignore[arg-type]
                self._claim(job)
            self._client.sched_ready(self)  # type: ignore[arg-type]
            task_status.started()
            async for update in updates:
                self._update(update)

    @property
    def _client(self) -> SchedClient:
        client: SchedClient = self.ctx.provider("job-manager")
        return client

    @abstractmethod
    def _acquire(self, first: Mapping[str, Any]) -> None:
        """Take {resources, up}: R, and the ranks of it that are up."""

    @abstractmethod
    def _update(self, update: Mapping[str, Any]) -> None:
        """Take news: {up?, down?, expiration?}, or all of it anew."""

    @abstractmethod
    def _claim(self, job: HelloJob) -> None:
        """Take what a job has that runs already."""

    def _end_job(self, job: int, note: str) -> None:
        """Let a job end whose resources are gone."""
        self.ctx.post("job-manager.raise", {"ids": [job], "type": "alloc", "severity": 0, "note": note})
