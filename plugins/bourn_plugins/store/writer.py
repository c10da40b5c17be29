"""Group commit: what is queued in a turn of the loop, or while a commit waits, goes into the next.

Statements run on the loop. In a thread they would have to win the interpreter lock back from a busy broker
after every step, and lose: a commit of 16 jobs that takes 0.3 ms on the loop took seconds in a thread beside
a loop that never rests. What may wait for the disk is the thread's: COMMIT when every commit is synced, or
for a while after one has been slow, and folding the write-ahead log into the database.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import sqlite3
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import trio

from bourn.errors import BournError

from .opening import connect, describe, free_pages, vacuum, wal_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bourn.hookspecs.store import Batch

    from .apply import Applier

    Done = Callable[[BournError | None], None]
    Task = Callable[[], object]

log = logging.getLogger("bourn.store")

SLOW_COMMIT = 0.02  # s; a commit on the loop that took longer ...
SLOW_PAUSE = 5.0  # s; ... sends the following to the thread for so long
WAL_BYTES = 32 << 20  # a log longer than this is folded into the database
WAL_LOOK = 16  # commits between looks at its length
VACUUM_PAGES = 1000  # given back at a time


class Waiting(NamedTuple):
    """A batch that waits for its commit, or (no batch) a task that wants the connection for itself."""

    batch: Batch | None
    done: Done | None
    task: Task | None = None


class Writer:
    """The one place that writes to the database."""

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        applier: Applier,
        *,
        sync: bool,
        soon: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.db = db
        self.path = path
        self.commits = self.batches = self.checkpoints = self.failures = 0
        self.keep_wal = 0  # readers that need the log to stay as it is
        self._applier = applier
        self._sync = sync
        self._slow_until = 0.0
        self._queue: list[Waiting] = []
        self._exclusive = 0
        self._singly = 0
        self._busy = False
        self._closed = False
        self._checkpointing = False
        self._tidying = False
        self._work: SimpleQueue[Task | None] = SimpleQueue()
        self._results: deque[Task] = deque()
        self._token = trio.lowlevel.current_trio_token()
        self._soon = soon or self._wake
        self._thread: threading.Thread | None = None

    def write(self, batch: Batch, done: Done | None) -> None:
        """Queue a batch for the next commit."""
        if self._closed:
            raise BournError("the job store is closed", errno.ESHUTDOWN)
        self._enqueue(Waiting(batch, done))

    @property
    def idle(self) -> bool:
        """Whether all that was given to it is committed."""
        return not self._busy and not self._queue

    async def run(self, task: Task) -> None:
        """Let the thread do something with the connection, after all that was queued before."""
        finished = trio.Event()
        failure: list[BaseException] = []

        def guarded() -> None:
            try:
                task()
            except BaseException as e:  # handed to the caller
                failure.append(e)
            self._post(end)

        def end() -> None:
            self._released()
            finished.set()

        self._exclusive += 1
        self._enqueue(Waiting(None, None, guarded))
        self._wake(self._flush)  # nobody may end turns any more when the store is closed
        with trio.CancelScope(shield=True):
            await finished.wait()
        if failure:
            if isinstance(failure[0], sqlite3.Error):
                raise describe(failure[0], self.path) from failure[0]
            raise failure[0]

    async def close(self) -> None:
        """Commit what is queued, fold the log in and end the thread."""
        if self._closed:
            return
        self._closed = True
        try:
            await self.run(self._truncate_wal)
        except BournError as e:
            # The log itself is safe, and found at the next start.
            log.warning("%s", e.message)
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()

    # On the loop.

    def _enqueue(self, item: Waiting) -> None:
        if not self._queue and not self._busy:
            self._soon(self._flush)
        self._queue.append(item)

    def _wake(self, callback: Callable[[], None]) -> None:
        self._token.run_sync_soon(callback, idempotent=True)

    def _flush(self) -> None:
        """Commit what is queued, up to a task that wants the connection."""
        if self._busy or not self._queue:
            return
        group = self._next_group()
        if not group:
            task = self._queue.pop(0).task
            assert task is not None
            self._exclusive -= 1
            self._busy = True
            self._hand(task)
            return
        error = self._begin(group)
        if error is None and (self._sync or self._disk_is_slow()):
            self._busy = True

            def task_() -> None:
                failure = self._commit()
                self._post(lambda: self._committed(group, failure))

            self._hand(task_)
            return
        if error is None:
            start = time.monotonic()
            error = self._commit()
            if time.monotonic() - start > SLOW_COMMIT:
                self._slow_until = start + SLOW_PAUSE
        self._committed(group, error)

    def _next_group(self) -> list[Waiting]:
        """Take from the queue what shares the next commit."""
        end = len(self._queue)
        if self._exclusive:
            end = next(i for i, item in enumerate(self._queue) if item.task is not None)
        if self._singly and end:
            self._singly -= 1
            end = 1
        group, self._queue = self._queue[:end], self._queue[end:]
        return group

    def _disk_is_slow(self) -> bool:
        if self._slow_until and time.monotonic() > self._slow_until:
            self._slow_until = 0.0
        return self._slow_until > 0

    def _committed(self, group: list[Waiting], error: Exception | None) -> None:
        if error is None:
            self.commits += 1
            self.batches += len(group)
            if self.commits % WAL_LOOK == 0:
                self._look_at_wal()
            if any(item.batch is not None and item.batch.purge for item in group):
                self._tidy()
        else:
            self._undo()
            if len(group) > 1:
                # One of them spoils the lot; each alone shows which.
                self._queue[:0] = group
                self._singly += len(group)
                self._released()
                return
            self.failures += 1
        reason = None if error is None else self._explain(error)
        # The next group goes to the disk while this one's callbacks run.
        self._released()
        for item in group:
            if item.done is not None:
                tell(item.done, reason)

    def _released(self) -> None:
        self._busy = False
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._queue:
            self._wake(self._flush)

    def _look_at_wal(self) -> None:
        if self._checkpointing or self.keep_wal or self._closed or wal_size(self.path) < WAL_BYTES:
            return
        self._checkpointing = True
        if self._busy:
            self._want_wal_empty()
        else:
            self._hand(self._fold_beside)

    def _want_wal_empty(self) -> None:
        def end() -> None:
            self.checkpoints += 1
            self._checkpointing = False

        self._upkeep(self._truncate_wal, end)

    def _tidy(self) -> None:
        """Give back what a purge has freed, in pieces between which other batches get their turn."""
        left = free_pages(self.db)

        def end() -> None:
            self._tidying = False
            if not self._closed and not self._busy and 0 < free_pages(self.db) < left:
                self._tidy()

        if not self._tidying:
            self._tidying = True
            self._upkeep(lambda: vacuum(self.db, VACUUM_PAGES), end)

    def _upkeep(self, work: Task, then: Task) -> None:
        """Let the thread do what may fail without harm."""

        def task() -> None:
            try:
                work()
            except sqlite3.Error as e:
                log.warning("job store %s: upkeep was put off: %s", self.path, e)
            self._post(end)

        def end() -> None:
            self._released()
            then()

        self._exclusive += 1
        self._enqueue(Waiting(None, None, task))

    def _hand(self, task: Task) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="bourn-store", daemon=True)
            self._thread.start()
        self._work.put(task)

    def _deliver(self) -> None:
        while self._results:
            self._results.popleft()()

    # With the connection, on the loop or in the thread, never in both at once.

    def _begin(self, group: list[Waiting]) -> Exception | None:
        try:
            self.db.execute("BEGIN IMMEDIATE")
            self._applier.apply([item.batch for item in group if item.batch is not None])
        except Exception as e:
            return e
        return None

    def _commit(self) -> Exception | None:
        try:
            self.db.execute("COMMIT")
        except sqlite3.Error as e:
            return e
        return None

    def _undo(self) -> None:
        if self.db.in_transaction:
            try:
                self.db.execute("ROLLBACK")
            except sqlite3.Error:
                log.exception("job store: rolling back failed")
        self._applier.forget()

    def _explain(self, error: Exception) -> BournError:
        if isinstance(error, BournError):
            return error
        if isinstance(error, sqlite3.Error):
            return describe(error, self.path)
        log.error("job store: a batch could not be written", exc_info=error)
        return BournError(f"job store {self.path}: a batch could not be written: {error!r}", errno.EIO)

    # In the thread.

    def _serve(self) -> None:
        while (task := self._work.get()) is not None:
            task()

    def _post(self, result: Task) -> None:
        self._results.append(result)
        with contextlib.suppress(trio.RunFinishedError):  # the broker has gone without a close
            self._token.run_sync_soon(self._deliver, idempotent=True)

    def _fold_beside(self) -> None:
        """Fold the log in by a connection of its own, while the loop goes on committing.

        What is written meanwhile stays in the log; the little that is left is folded in by a second step,
        for which writing waits, so that the log can start again at its beginning.
        """
        try:
            db = connect(self.path, "rw")
            try:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            finally:
                db.close()
        except sqlite3.Error as e:
            log.warning("job store: the write-ahead log could not be folded in: %s", e)
        self._post(self._want_wal_empty)

    def _truncate_wal(self) -> None:
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def tell(done: Done, error: BournError | None) -> None:
    """Call who waits for a commit; one that fails must not keep it from the others."""
    try:
        done(error)
    except Exception:
        log.exception("job store: a callback failed after its commit")
