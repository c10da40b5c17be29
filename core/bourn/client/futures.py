"""The future of a job: what `Executor.submit` returns."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bourn.model.jobid import JobID

log = logging.getLogger("bourn.executor")


class JobEvent(NamedTuple):
    """An event of a job: seconds since 1970, name, context."""

    timestamp: float
    name: str
    context: dict[str, Any]


class JobException(Exception):
    """A job ended by an exception of severity 0 (RFC 21)."""

    def __init__(self, timestamp: float, type: str, severity: int, note: str) -> None:
        super().__init__(f"job.exception: type={type} note={note}")
        self.timestamp = timestamp
        self.type = type
        self.severity = severity
        self.note = note


class WorkerLost(BournError):
    """The worker that ran a call has ended; the message says how. Other calls aren't concerned."""


class CallFuture(concurrent.futures.Future[Any]):
    """The result of a function call."""

    def cancel(self) -> bool:
        """Cancel the call if it hasn't been given to a worker; False if it has."""
        with self._condition:
            if not super().cancel():
                return False
            if self._state == "CANCELLED":
                # Only this tells those who wait in `as_completed`.
                self.set_running_or_notify_cancel()
        return True

    def begin(self) -> bool:
        """Note that it goes to a worker; False if it was cancelled before."""
        with self._condition:
            return self._state == "PENDING" and self.set_running_or_notify_cancel()


class ExecutorFuture(concurrent.futures.Future[int]):
    """The result is the exit code, or minus the signal's number; `exception()` a JobException, or OSError if
    the job was refused. `cancelled` is told when it is cancelled."""

    def __init__(self, cancelled: Callable[[ExecutorFuture], object]) -> None:
        super().__init__()
        self._cancelled = cancelled
        self._jobid: concurrent.futures.Future[JobID] = concurrent.futures.Future()
        self._lock = threading.RLock()
        self._outcome: int | JobException | None = None
        """How the job ended; a failure counts once it is clear that the job isn't run again."""
        self._seen: list[JobEvent] = []
        self._event_callbacks: dict[str, list[Callable[[ExecutorFuture, JobEvent], object]]] = {}

    def jobid(self, timeout: float | None = None) -> JobID:
        """Wait for the job's id; raises what the job was refused for, CancelledError, or TimeoutError."""
        return self._jobid.result(timeout)

    def add_jobid_callback(self, callback: Callable[[ExecutorFuture], object]) -> None:
        """Call `callback(future)` once the job has an id or was refused, at once if that is past."""
        self._jobid.add_done_callback(lambda _: callback(self))

    def add_event_callback(self, name: str, callback: Callable[[ExecutorFuture, JobEvent], object]) -> None:
        """Call `callback(future, event)` for each event of a name (`*`: any), those of the past first."""
        with self._lock:
            self._event_callbacks.setdefault(name, []).append(callback)
            past = [event for event in self._seen if name in (event.name, "*")]
        for event in past:
            _call(callback, self, event)

    def cancel(self) -> bool:
        """Cancel the job if it hasn't started; False if it has."""
        with self._lock:
            if not super().cancel():
                return False
            if self._state == "CANCELLED":
                # Only this tells those who wait in `as_completed`.
                self.set_running_or_notify_cancel()
        self._jobid.cancel()
        self._cancelled(self)
        return True

    def named(self, id: JobID) -> None:
        """Take the id."""
        with suppress(concurrent.futures.InvalidStateError):  # cancelled
            self._jobid.set_result(id)

    def refused(self, error: BaseException) -> None:
        """Fail, and have no id."""
        with suppress(concurrent.futures.InvalidStateError):
            self._jobid.set_exception(error)
        self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End with an exception, unless it has ended."""
        with suppress(concurrent.futures.InvalidStateError):  # cancelled, or failed before
            self.set_exception(error)

    def _settle(self) -> None:
        with suppress(concurrent.futures.InvalidStateError):  # cancelled, or failed before
            if isinstance(self._outcome, int):
                self.set_result(self._outcome)
            elif self._outcome is not None:
                self.set_exception(self._outcome)

    def event(self, entry: Mapping[str, Any]) -> bool:
        """Take an event; return whether it is the job's last."""
        event = JobEvent(entry["timestamp"], entry["name"], entry.get("context", {}))
        with self._lock:
            self._seen.append(event)
            callbacks = [*self._event_callbacks.get(event.name, ()), *self._event_callbacks.get("*", ())]
        if event.name == "start":
            with self._lock:
                if self._state == "PENDING":
                    self.set_running_or_notify_cancel()
        elif event.name == "exception" and event.context["severity"] == 0:
            context = event.context
            if self._outcome is None:
                self._outcome = JobException(event.timestamp, context["type"], 0, context.get("note", ""))
            if context["type"] == "cancel":
                self._settle()
        elif event.name == "finish":
            status = event.context["status"]
            if self._outcome is None:
                self._outcome = -(status & 0x7F) if status & 0x7F else status >> 8
            if not status:
                self._settle()
        elif event.name == "retry":
            self._outcome = None
        elif event.name == "clean":
            self._settle()
        for callback in callbacks:
            _call(callback, self, event)
        return event.name == "clean"


def _call(
    callback: Callable[[ExecutorFuture, JobEvent], object], future: ExecutorFuture, event: JobEvent
) -> None:
    """Call back; a callback that fails is reported as those of `concurrent.futures` are, and the others
    run.
    """
    try:
        callback(future, event)
    except Exception:
        log.exception("event callback for job %s failed", future)
