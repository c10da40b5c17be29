"""The module `foreign-end`: an instance inside Slurm ends when its job does, whenever that is by now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from bourn.broker.module import Module
from bourn.config.tables import ResourceTable
from bourn_plugins.resource.foreign import next_look

if TYPE_CHECKING:
    from bourn_plugins.resource.module import Resource


class Following(Module):
    """Asks Slurm now and then, as it tells nobody; only where the instance's end is that of its Slurm job."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask, and move the end of the resources and of the jobs that have no limit of their own."""
        task_status.started()
        resource: Resource = self.ctx.provider("resource")
        end = resource.foreign
        failures = 0
        if not end.exists or end.known is None:
            await trio.sleep_forever()
        while True:
            period = self.ctx.config.table("resource", ResourceTable).end_poll
            before = resource.expiration
            if not period:
                await trio.sleep_forever()
            await trio.sleep(next_look(before, time.time(), period, failures))
            after = await end.ask()
            failures = 0 if after is not None else failures + 1
            before = resource.expiration
            if after is None or after == before or before != end.known:
                continue
            self.ctx.log.info("Slurm job %s ends %s", end.job, _moment(after))
            end.known = after
            resource.end_at(after)
            await self.ctx.provider("job-manager").move_ends(before, after)


def _moment(end: float) -> str:
    return time.strftime("at %Y-%m-%d %H:%M:%S now", time.localtime(end)) if end else "at no time now"
