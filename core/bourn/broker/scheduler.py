"""What schedulers share: where their resources and running jobs come from (RFC 27, RFC 28)."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import Module
from bourn.model.idset import IdSet
from bourn.model.rset import ending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.broker.module import ModuleContext
    from bourn.hookspecs.sched import HelloJob, SchedClient


class SchedulerModule(Module):
    """Takes the resources, then the jobs that run, then requests; and follows changes until it is stopped."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._rset: dict[str, Any] = {}
        """R of all that there is."""
        self._end = math.inf
        """When the instance has to give it back."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Say hello to the resource module and to the job manager, and live."""
        async with self.ctx.stream("resource.acquire") as updates:
            self._begin(await anext(updates))
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

    def _begin(self, first: Mapping[str, Any]) -> None:
        self._own(first["resources"])
        self._acquire(first)

    def _own(self, rset: dict[str, Any]) -> None:
        """Take R of all, and its end."""
        self._rset = rset
        self._end = rset["execution"].get("expiration") or math.inf

    def _update(self, update: Mapping[str, Any]) -> None:
        """Take news: {up?, down?, expiration?}, or all of it anew."""
        if "resources" in update:
            self._begin(update)
        else:
            for key, up in (("up", True), ("down", False)):
                if update.get(key):
                    self._mark(IdSet(update[key]), up)
            if "expiration" in update:
                self._own(ending(self._rset, update["expiration"]))
        self.ctx.soon(self._pass)

    def _too_late(self, t: float) -> str | None:
        """Say why a job can't end at `t`, 0 for never, or None if it can."""
        return None if self._end == math.inf or 0 < t <= self._end else "the instance ends before that"

    @abstractmethod
    def _acquire(self, first: Mapping[str, Any]) -> None:
        """Take {resources, up}: R, and the ranks of it that are up. Jobs that run stay where they are."""

    @abstractmethod
    def _mark(self, ranks: IdSet, up: bool) -> None:
        """Take note that ranks came or went."""

    @abstractmethod
    def _pass(self) -> None:
        """Give out what there is."""

    @abstractmethod
    def _claim(self, job: HelloJob) -> None:
        """Take what a job has that runs already."""

    def _end_job(self, job: int, note: str) -> None:
        """Let a job end whose resources are gone."""
        self.ctx.post("job-manager.raise", {"ids": [job], "type": "alloc", "severity": 0, "note": note})
