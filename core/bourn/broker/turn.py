"""`soon`: work put off to the end of a turn of the loop, so that a batch is handled together."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("bourn.broker")


class Turn:
    """Runs callbacks once each after all tasks that are runnable now have run.

    A callback that is asked for while others run is left to the next turn, after the loop has looked at its
    sockets: what arrives meanwhile joins the batch.
    """

    def __init__(self) -> None:
        self._queue: dict[Callable[[], None], None] = {}
        self._sleeper: trio.lowlevel.Task | None = None

    def soon(self, callback: Callable[[], None]) -> None:
        """Run `callback` at the end of this turn; asking again before then changes nothing."""
        self._queue[callback] = None
        if self._sleeper is not None:
            sleeper, self._sleeper = self._sleeper, None
            trio.lowlevel.reschedule(sleeper)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        task_status.started()
        while True:
            if self._queue:
                await trio.lowlevel.checkpoint()
            else:
                self._sleeper = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abort)
            self.flush()

    def flush(self) -> None:
        """Run what has been asked for up to now."""
        queue, self._queue = self._queue, {}
        for callback in queue:
            try:
                callback()
            except Exception:
                log.exception("a deferred callback failed: %r", callback)

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._sleeper = None
        return trio.lowlevel.Abort.SUCCEEDED
