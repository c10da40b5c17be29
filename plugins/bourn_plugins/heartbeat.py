"""The pulse of the instance: rank 0 publishes `heartbeat.pulse` every period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from bourn.broker.module import Module, ModuleSpec
from bourn.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable


class Heartbeat(Module):
    """Lets whoever does something now and then do it at the same moment as all others."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beat until removed; a new period counts from the next beat on."""
        task_status.started()
        while True:
            await trio.sleep(self._period())
            self.ctx.publish("heartbeat.pulse")

    def stats(self) -> dict[str, object]:
        """Return the period."""
        return {"period": self._period()}

    def _period(self) -> float:
        from bourn.config.tables import HeartbeatTable

        return float(self.ctx.config.table("heartbeat", HeartbeatTable).period)


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module, on rank 0."""
    yield ModuleSpec("heartbeat", Heartbeat, ranks="0")
