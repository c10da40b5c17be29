"""`soon`: work put off to the end of a turn of the loop, so that a batch is handled together."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("bourn.broker")


ROUNDS = 4
"""How often what callbacks have asked for follows in the same turn."""


class Turn:
    """Runs callbacks once each after all tasks that are runnable now have run.

    What a callback asks for follows at once: a commit, and what the commit lets go, are no turns of their
    own. A callback that has run already is left to the next turn, after the loop has looked at its sockets:
    what arrives meanwhile joins the batch.
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
        """Run what has been asked for, and what that asks for, each once."""
        queue = self._queue
        ran: set[Callable[[], None]] = set()
        for _ in range(ROUNDS):
            callbacks = [callback for callback in queue if callback not in ran]
            if not callbacks:
                break
            ran.update(callbacks)
            for callback in callbacks:
                del queue[callback]
                try:
                    callback()
                except Exception:
                    log.exception("a deferred callback failed: %r", callback)

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._sleeper = None
        return trio.lowlevel.Abort.SUCCEEDED
