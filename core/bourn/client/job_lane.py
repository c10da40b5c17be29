"""The job side of an executor: one connection and one stream of events for any number of jobs."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from bourn.client.events import ended, entries, watch_log_async
from bourn.client.submission import Submission
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping

    from bourn.client.futures import ExecutorFuture
    from bourn.client.handle import Future, Handle
    from bourn.client.submission import JobspecLike

    Item = tuple[ExecutorFuture, JobspecLike, int, int]
    """What a job is submitted with: its future, its jobspec, urgency, flags."""

BATCH = 10_000
"""Jobs in one request at most."""


class JobLane:
    """What the thread does, between two waits: read responses and events, send the next request."""

    def __init__(self, h: Handle, queue: deque[Item]) -> None:
        self._h = h
        self._queue = queue
        self._futures: dict[int, ExecutorFuture] = {}
        self._batch: tuple[Future, list[Item]] | None = None
        self._journal: Future | None = None
        self._logs: dict[int, Future] = {}
        self._early: dict[int, list[Mapping[str, Any]]] = {}
        self.broken: BournError | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not (self._futures or self._batch or self._queue)

    def open(self) -> None:
        """Start to listen, before any job is submitted."""
        request = {"full": False, "lean": True}
        self._journal = self._h.rpc("job-manager.journal", request, streaming=True)

    def turn(self) -> None:
        """Do what can be done now."""
        self._read_journal()
        for id, log in list(self._logs.items()):
            self._read_log(id, log)
        if self._batch is not None and self._batch[0].is_ready():
            self._answered(*self._batch)
        if self._batch is None and self._queue:
            self._send([self._queue.popleft() for _ in range(min(len(self._queue), BATCH))])

    def attach(self, future: ExecutorFuture, id: JobID) -> None:
        """Follow a job by its own log: the journal doesn't tell of the past."""
        future.named(id)
        self._futures[id] = future
        self._logs[id] = watch_log_async(self._h, id)

    def cancel(self, future: ExecutorFuture) -> None:
        """Cancel a future's job, if it has one by now."""
        for id, other in self._futures.items():
            if other is future:
                self._raise(id)
                return

    def cancel_pending(self) -> None:
        """Cancel all futures whose jobs haven't started."""
        for future, *_ in list(self._queue):
            future.cancel()
        for future in list(self._futures.values()):
            future.cancel()

    def fail(self, error: BournError) -> None:
        """Give up: the connection is lost."""
        self.broken = error
        waiting = [*self._futures.values(), *(item[0] for item in self._queue)]
        if self._batch is not None:
            waiting += [item[0] for item in self._batch[1]]
        self._futures.clear()
        self._queue.clear()
        self._batch = None
        for future in waiting:
            future.refused(OSError(error.errnum, error.message))

    def _send(self, batch: list[Item]) -> None:
        batch = [item for item in batch if not item[0].cancelled()]
        submission = Submission()
        fine = []
        for item in batch:
            future, jobspec, urgency, flags = item
            try:
                submission.add(jobspec, urgency=urgency, flags=flags)
            except Exception as error:  # whatever was given isn't a jobspec
                future.refused(OSError(errno.EINVAL, str(error)))
                continue
            fine.append(item)
        if fine:
            self._batch = self._h.rpc("job-ingest.submit", submission.payload()), fine

    def _answered(self, reply: Future, batch: list[Item]) -> None:
        self._batch = None
        try:
            ids = reply.get()["ids"]
        except BournError as error:
            if self._h_lost(error):
                raise
            self._split(batch, OSError(error.errnum, error.message))
            return
        for (future, *_), id in zip(batch, ids, strict=True):
            self._futures[id] = future
            future.named(JobID(id))
            if future.cancelled():
                self._raise(id)
            if self._journal is None:
                self._logs[id] = watch_log_async(self._h, id)
            for entry in self._early.pop(id, ()):
                self._event(id, entry)
        if not self._queue:
            self._early.clear()

    def _h_lost(self, error: BournError) -> bool:
        return error.errnum in (errno.ECONNRESET, errno.EBADF)

    def _split(self, batch: list[Item], error: OSError) -> None:
        """Refuse a job; of a batch that was refused as a whole, find the job that it was for."""
        if len(batch) == 1:
            batch[0][0].refused(error)
            return
        for item in batch:
            submission = Submission()
            submission.add(item[1], urgency=item[2], flags=item[3])
            self._answered(self._h.rpc("job-ingest.submit", submission.payload()), [item])

    def _read_journal(self) -> None:
        journal = self._journal
        while journal is not None and journal.is_ready():
            try:
                reply = journal.get()
            except BournError as error:
                if error.errnum != errno.EPERM:
                    raise
                # A guest follows each job by its own log.
                self._journal = None
                for id in self._futures:
                    self._logs.setdefault(id, watch_log_async(self._h, id))
                return
            for event in reply.get("events", ()):
                self._event(event["id"], event["entry"])
            journal.reset()

    def _read_log(self, id: int, log: Future) -> None:
        while log.is_ready():
            try:
                reply = log.get()
            except BournError as error:
                del self._logs[id]
                future = self._futures.pop(id, None)
                if future is not None and error.errnum == errno.ENOENT:
                    future.fail(ValueError(error.message))
                elif not ended(error):
                    raise
                return
            for entry in entries(reply):
                self._event(id, entry, own=True)
            log.reset()

    def _event(self, id: int, entry: Mapping[str, Any], own: bool = False) -> None:
        future = self._futures.get(id)
        if future is None:
            # The journal may tell of a job before the response that gives us its id.
            if self._batch is not None:
                self._early.setdefault(id, []).append(entry)
            return
        if (own or id not in self._logs) and future.event(entry):
            del self._futures[id]

    def _raise(self, id: int) -> None:
        payload = {"ids": [int(id)], "type": "cancel", "severity": 0, "note": "future was cancelled"}
        self._h.rpc("job-manager.raise", payload, noresponse=True)
