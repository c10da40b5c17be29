"""Events of all jobs of an instance, as they become durable (for the instance's owner).

with bourn.Handle() as h, bourn.JournalConsumer(h) as journal:
    for event in journal:
        print(event.jobid, event.name)
"""

from __future__ import annotations

import errno
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from bourn.errors import RPCError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from bourn.client.handle import Future, Handle


class JournalEvent:
    """One event: `jobid`, `seq` (place in the job's eventlog), `timestamp`, `name`, `context`; `R` comes with
    alloc and `jobspec` with submit."""

    __slots__ = ("R", "context", "jobid", "jobspec", "name", "seq", "timestamp")

    def __init__(self, event: Mapping[str, Any]) -> None:
        entry = event["entry"]
        self.jobid = JobID(event["id"])
        self.seq: int = event["eventlog_seq"]
        self.timestamp: float = entry["timestamp"]
        self.name: str = entry["name"]
        self.context: dict[str, Any] = entry.get("context", {})
        self.R: dict[str, Any] | None = event.get("R")
        self.jobspec: dict[str, Any] | None = event.get("jobspec")

    def __repr__(self) -> str:
        return f"JournalEvent({self.jobid}, {self.seq}, {self.name})"


class JournalConsumer:
    """A subscription to the journal, starting with the events of active jobs, or of all if `full`.

    `since` leaves out events before a time; `allow` and `deny` are names of events; `include_sentinel` yields
    None where the past ends and the present begins.
    """

    def __init__(
        self,
        h: Handle,
        *,
        full: bool = True,
        since: float = 0.0,
        allow: Iterable[str] | None = None,
        deny: Iterable[str] = (),
        include_sentinel: bool = False,
    ) -> None:
        self._h = h
        self._request: dict[str, Any] = {"full": full, "since": since, "deny": list(deny)}
        if allow is not None:
            self._request["allow"] = list(allow)
        self._include_sentinel = include_sentinel
        self._future: Future | None = None
        self._ready: deque[JournalEvent | None] = deque()

    def start(self) -> JournalConsumer:
        """Open the stream."""
        self._future = self._h.rpc("job-manager.journal", self._request, streaming=True)
        return self

    def stop(self) -> None:
        """Close the stream; `poll` returns what has arrived, then raises."""
        if self._future is not None:
            self._future.cancel()

    def poll(self, timeout: float | None = None) -> JournalEvent | None:
        """Return the next event; None is the sentinel, or the end after `stop`. TimeoutError after `timeout`
        seconds.
        """
        if self._future is None:
            self.start()
        assert self._future is not None
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            try:
                reply = self._future.get(None if deadline is None else max(0.0, deadline - time.monotonic()))
            except RPCError as error:
                if error.errnum == errno.ENODATA:
                    return None
                raise
            self._future.reset()
            self._take(reply)
        return self._ready.popleft()

    def set_callback(self, callback: Callable[[JournalEvent | None], object]) -> None:
        """Have `Handle.reactor_run` call back with each event instead."""
        if self._future is None:
            self.start()
        assert self._future is not None

        def arrived(future: Future) -> None:
            try:
                self._take(future.get())
            except RPCError as error:
                if error.errnum != errno.ENODATA:
                    raise
                return
            while self._ready:
                callback(self._ready.popleft())
            future.reset()

        self._future.then(arrived)

    def _take(self, reply: Mapping[str, Any]) -> None:
        if reply.get("sentinel"):
            if self._include_sentinel:
                self._ready.append(None)
            return
        self._ready.extend(map(JournalEvent, reply["events"]))

    def __iter__(self) -> Iterator[JournalEvent | None]:
        while True:
            event = self.poll()
            if event is None and (not self._include_sentinel or self._future is None or self._future.error):
                return
            yield event

    def __enter__(self) -> JournalConsumer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
