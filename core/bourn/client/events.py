"""Following a job's eventlogs: plain dictionaries in, from the `job-info` service. Light; `bourn.job` wraps
it.
"""

from __future__ import annotations

import errno
import json
import time
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bourn.client.handle import Future, Handle
    from bourn.model.jobid import JobID

LOGS = ("eventlog", "guest.exec.eventlog", "guest.exec.parts", "guest.output", "guest.input")
"""The logs of a job."""

_decode = json.JSONDecoder().decode


def watch_log_async(h: Handle, id: JobID | int, path: str = "eventlog", follow: bool = True) -> Future:
    """Ask for a log's entries, old and new; `entries` takes each response apart."""
    return h.rpc("job-info.eventlog-watch", {"id": int(id), "path": path, "follow": follow}, streaming=True)


def entries(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of one response."""
    return [_decode(line) for line in reply["event"].rstrip("\n").split("\n")]


def watch_batches(
    h: Handle, id: JobID | int, path: str = "eventlog", follow: bool = True, timeout: float | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Yield the log's events as they arrive, several at a time, until the log ends.

    Raises TimeoutError `timeout` seconds after the call, RPCError ENOENT for an unknown job or log.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    future = watch_log_async(h, id, path, follow)
    try:
        while True:
            batch = entries(future.get(None if deadline is None else max(0.0, deadline - time.monotonic())))
            future.reset()
            if batch:
                yield batch
    except RPCError as error:
        if error.errnum != errno.ENODATA:
            raise
    finally:
        if future.error is None:
            future.cancel()


def watch_log(
    h: Handle, id: JobID | int, path: str = "eventlog", follow: bool = True, timeout: float | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the log's events one by one."""
    for batch in watch_batches(h, id, path, follow, timeout):
        yield from batch


def log_text(h: Handle, id: JobID | int, path: str = "eventlog") -> Iterator[str]:
    """Yield what a log holds now as text, whole lines, piece by piece however long it is."""
    future = watch_log_async(h, id, path, follow=False)
    try:
        for reply in future:
            yield reply["event"]
    finally:
        if future.error is None:
            future.cancel()


def wait_event(
    h: Handle, id: JobID | int, name: str, path: str = "eventlog", timeout: float | None = None
) -> dict[str, Any]:
    """Return the first event of a name; RPCError with ENODATA if the log ends without it."""
    for entry in watch_log(h, id, path, timeout=timeout):
        if entry["name"] == name:
            return entry
    raise RPCError(errno.ENODATA, f"event '{name}' was never posted", "job-info.eventlog-watch")


def ended(error: BournError) -> bool:
    """Whether a stream's error only means that there is no more."""
    return error.errnum == errno.ENODATA
