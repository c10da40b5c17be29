"""A request under way: what `Handle.rpc` returns."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    class _Connected(Protocol):
        """What a future asks of the handle that it belongs to."""

        def wait_until(self, ready: Callable[[], object], timeout: float | None, what: str) -> None: ...
        def cancel(self, matchtag: int) -> None: ...
        def watched(self, change: int) -> None: ...
        def call_soon(self, callback: Callable[[], object]) -> None: ...


STREAMING = 1
NORESPONSE = 2


def request_message(topic: str, payload: object, nodeid: int, flags: int, matchtag: int) -> dict[str, Any]:
    """Return a request as it travels; what has its default is left out."""
    message: dict[str, Any] = {"type": "request", "topic": topic, "matchtag": matchtag}
    if payload is not None:
        message["payload"] = payload
    if nodeid != -1:
        message["nodeid"] = nodeid
    if flags:
        message["flags"] = flags
    return message


class Future:
    """The response to a request, or the stream of them.

    Of a stream, `get` returns the present response until `reset` moves on to the next; iterating does both,
    to the end of the stream.
    """

    __slots__ = ("_callback", "_handle", "_matchtag", "_values", "error", "streaming", "topic")

    def __init__(self, handle: _Connected, topic: str, matchtag: int, streaming: bool) -> None:
        self._handle = handle
        self._matchtag = matchtag
        self._values: deque[Any] = deque()
        self._callback: Callable[[], object] | None = None
        self.topic = topic
        self.streaming = streaming
        self.error: BournError | None = None

    def __repr__(self) -> str:
        return f"<Future {self.topic} {'ready' if self.is_ready() else 'waiting'}>"

    def is_ready(self) -> bool:
        """Whether `get` would return, or raise, at once."""
        return bool(self._values) or self.error is not None

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the response and return its payload.

        Raises RPCError with the service's error (ENODATA at the end of a stream), TimeoutError after
        `timeout` seconds, BournError if the connection is lost.
        """
        if not self._values and self.error is None:
            self._handle.wait_until(self.is_ready, timeout, self.topic)
        if self._values:
            return self._values[0]
        assert self.error is not None
        raise self.error

    def reset(self) -> None:
        """Let go of the present response of a stream, so that `get` returns the next."""
        if self._values:
            self._values.popleft()
        self._again()

    def then(self, callback: Callable[..., object], *args: Any) -> Future:
        """Have `Handle.reactor_run` call `callback(future, *args)` when there is a response, and at each
        next one.

        Within the callback `get` returns at once; of a stream, call `reset` there for the next.
        """
        self._callback = lambda: callback(self, *args)
        self._handle.watched(1)
        self._again()
        return self

    def cancel(self) -> None:
        """Ask the service to end a stream; it then ends with ENODATA as usual. A plain request is
        forgotten.
        """
        self._handle.cancel(self._matchtag)

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                value = self.get()
            except RPCError as error:
                if error.errnum == errno.ENODATA:
                    return
                raise
            self._values.popleft()
            yield value
            if not self.streaming:
                return

    def _deliver(self, payload: Any) -> None:
        self._values.append(payload)
        if len(self._values) == 1:
            self._again()

    def _fail(self, error: BournError) -> None:
        self.error = error
        if not self._values:
            self._again()

    def _again(self) -> None:
        """Have the reactor call back, if it is to and there is something to see."""
        callback = self._callback
        if callback is None or not self.is_ready():
            return
        if not self.streaming or not self._values:
            self._callback = None
            self._handle.watched(-1)
        self._handle.call_soon(callback)
