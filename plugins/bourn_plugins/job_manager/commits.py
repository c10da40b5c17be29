"""From turns to the store: one batch at a time, and again after a failure.

While a commit runs the next batch grows, and exactly one is being written: should it fail, it can be written
again before anything later, so no eventlog is ever out of order.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn_plugins.job_manager.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.hookspecs.store import ArrayUpdate, JobUpdate, Store

log = logging.getLogger("bourn.job-manager")

RETRY = 1.0
"""Seconds after which a batch that could not be written is tried again."""


class Commits:
    """The turn that grows, the one that is being written, and who waits for them.

    What a turn is made of, and what follows from it, is its subclass's: the engine.

    Args:
        store: where batches go.
        soon: runs a callback at the end of this turn of the loop, once.
    """

    def __init__(self, store: Store, soon: Callable[[Callable[[], None]], None]) -> None:
        self.store = store
        self.watchers: list[Callable[[Sequence[tuple[int, str, str]]], None]] = []
        """Told of the journal's new rows (id, log name, lines) once they are durable."""
        self.timer_changed: Callable[[], None] = lambda: None
        """Called when `retry_at` is set."""
        self.stuck: BournError | None = None
        """Why the last batch could not be written; new work is refused until it could be."""
        self._unwritten: BournError | None = None
        """What those are told who wait for something to be durable, while the store can't be written."""
        self.retry_at = 0.0
        self.commits = 0
        self._soon = soon
        self._turn = Turn()
        self._inflight: Turn | None = None
        self._quiet: list[Callable[[], None]] = []
        self._held = False
        """The batch waits for an answer of the scheduler."""

    # What the engine adds

    def now(self) -> float:
        """Read the clock."""
        raise NotImplementedError

    def _tell(self) -> bool:
        """Tell the scheduler what it is to know; return whether it may answer by grants."""
        raise NotImplementedError

    @property
    def _untold(self) -> bool:
        """Whether there is something to tell it."""
        raise NotImplementedError

    def _follow_up(self, turn: Turn) -> None:
        """Do what follows from a turn that is durable."""
        raise NotImplementedError

    def _stop_jobs(self, turn: Turn) -> None:
        """End jobs before that is written: on a full disk it is what makes room, and the record follows."""
        raise NotImplementedError

    def _withdraw(self, ids: set[int]) -> None:
        """Forget jobs that were to be accepted, and aren't."""
        raise NotImplementedError

    # The turn

    def kick(self) -> None:
        """See to it that what was noted is told and written at the end of this turn."""
        self._soon(self.flush)

    def flush(self) -> None:
        """End the turn: tell the scheduler, and write unless a commit runs.

        What was told may be answered in the next turn of the loop. The batch waits for that, once: the end of
        a job and the start of the next that gets its resources are one commit.
        """
        told = self._tell()
        if self.stuck is not None:
            self._stop_jobs(self._turn)
        if self._inflight is None and self._turn:
            if told and not self._held:
                self._held = True
                self.kick()
                return
            self._held = False
            turn, self._turn = self._turn, Turn()
            self._inflight = turn
            self.store.write(turn.seal(), self._committed)

    def when_committed(
        self, callback: Callable[[], None], failed: Callable[[BournError], None] | None = None
    ) -> None:
        """Call back once all that has happened up to now is durable; tell `failed` if that will take long
        because the store can't be written.
        """
        self._turn.committed.append(callback)
        if failed is not None:
            if self._unwritten is None:
                self._turn.failed.append(failed)
            else:
                safely(failed, self._unwritten)
        self.kick()

    def when_quiet(self, callback: Callable[[], None]) -> None:
        """Call back, at once if possible, when what is durable is exactly what watchers have been told."""
        if self._inflight is None or self.retry_at:
            callback()
        else:
            self._quiet.append(callback)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written."""
        return self._inflight is None and not self._turn

    def _committed(self, error: BournError | None) -> None:
        turn = self._inflight
        assert turn is not None
        if error is not None:
            self._failed(turn, error)
            return
        self._inflight = None
        self.commits += 1
        if self.stuck is not None:
            log.warning("the store can be written again")
            self.stuck = self._unwritten = None
        self.now()
        if turn.batch.logs:
            for watcher in self.watchers:
                safely(watcher, turn.batch.logs)
        self._follow_up(turn)
        for callback in turn.committed:
            safely(callback)
        self._be_quiet()
        if self._turn or self._untold:
            self.kick()

    def _failed(self, turn: Turn, error: BournError) -> None:
        """Refuse what was to be accepted; keep everything else and write it again later, before anything
        new."""
        if self.stuck is None:
            log.error("the store can't be written: %s", error.message)
        self.stuck = BournError(f"job can't be accepted: {error.message}", error.errnum)
        submissions = [*turn.submissions, *self._turn.submissions]
        turn.submissions.clear()
        self._turn.submissions.clear()
        turn.batch.arrays.clear()
        self._turn.batch.arrays.clear()
        ids = {job.id for submission in submissions for job in submission.jobs}
        if ids:
            turn.drop(ids)
            self._turn.drop(ids)
            self._withdraw(ids)
        self._stop_jobs(turn)
        self._stop_jobs(self._turn)
        self._unwritten = BournError(f"not written yet: {error.message}", error.errnum)
        waiting = [*turn.failed, *self._turn.failed]
        turn.failed.clear()
        self._turn.failed.clear()
        for failed in waiting:
            safely(failed, self._unwritten)
        if turn:
            self.retry_at = self.now() + RETRY
            self.timer_changed()
        else:
            self._inflight = None
            self.stuck = self._unwritten = None
            self.kick()
        for submission in submissions:
            safely(submission.done, BournError(f"job can't be accepted: {error.message}", error.errnum))
        self._be_quiet()

    def _be_quiet(self) -> None:
        quiet, self._quiet = self._quiet, []
        for callback in quiet:
            safely(callback)

    def retry(self) -> None:
        """Try again to write the batch that failed."""
        self.retry_at = 0.0
        if self.stuck is not None and self._inflight is not None:
            self.store.write(self._inflight.batch, self._committed)
        else:
            self.kick()

    def look_again(self) -> float:
        """See to it that a turn is ended a while from now; return when."""
        self.retry_at = self.retry_at or self.now() + RETRY
        self.timer_changed()
        return self.retry_at

    def add_rows(
        self,
        logs: Sequence[tuple[int, str, str]],
        meta: Mapping[str, object] | None,
        committed: Callable[[], None] | None,
    ) -> None:
        """Put others' rows into the batch of this turn."""
        turn = self._turn
        if logs:
            turn.batch.logs.extend(logs)
        if meta:
            turn.batch.meta.update(meta)
        if committed is not None:
            turn.committed.append(committed)

    def starting(self) -> set[int]:
        """Return the jobs that will be handed to execution once their allocation is durable."""
        turns = [self._turn] if self._inflight is None else [self._turn, self._inflight]
        return {job.id for turn in turns for job in turn.starts}

    def update_row(self, update: JobUpdate) -> None:
        """Have columns of an active job follow an event."""
        self._turn.batch.updates.append(update)
        self.kick()

    def update_array(self, update: ArrayUpdate) -> None:
        """Have columns of an array follow what happened to it."""
        self._turn.batch.array_updates.append(update)
        self.kick()

    def write_meta(self, key: str, value: Any) -> None:
        """Keep a named value."""
        self._turn.batch.meta[key] = value
        self.kick()


def safely(callback: Callable[..., None], *args: Any) -> None:
    """Call somebody who waits: one that fails must not keep it from the others."""
    try:
        callback(*args)
    except Exception:
        log.exception("a callback of the job manager failed: %r", callback)
