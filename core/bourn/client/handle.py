"""The blocking handle: a connection to a broker.

    with bourn.Handle() as h:
        print(h.rpc("attr.get", {"name": "size"}).get()["value"])

Threads: a handle may be used by several at once. Whichever waits reads for all of them; each future is to
be waited for by one thread. Callbacks (`then`, events, services) run in the thread that is in
`reactor_run`, only there.
"""

from __future__ import annotations

import errno
import time
from _thread import LockType, allocate_lock
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.client.rpc import NORESPONSE, STREAMING, Future, request_message
from bourn.client.service import ClientRequest, answer
from bourn.client.transport import Connection, encode, socket_path
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

__all__ = ["Event", "Future", "Handle"]


class Event(NamedTuple):
    """A published event, as received."""

    topic: str
    payload: Any
    seq: int


class Handle:
    """A connection to the broker at `uri`, by default that of the environment (BOURN_URI).

    Raises BournError where there is no instance.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._connection = Connection(socket_path(uri))
        path = self._connection.path
        self.uri = path if path.startswith("ssh://") else f"local://{path}"
        self._tags = count(1)
        self._futures: dict[int, Future] = {}
        self._events: deque[Event] = deque()
        self._listeners: dict[str, list[Callable[[Event], object]]] = {}
        self._services: dict[str, Mapping[str, Callable[[ClientRequest], Any]]] = {}
        self._asked: dict[int, ClientRequest] = {}
        self._soon: deque[Callable[[], object]] = deque()
        self._watched = 0
        self._stopped = False
        self._error: BournError | None = None
        self._sending = allocate_lock()
        self._reading = allocate_lock()
        self._waiting: list[tuple[LockType, Callable[[], object]]] = []

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what is still waited for fails."""
        if self._error is None:
            self._lost(BournError("the handle is closed", errno.EBADF))
        self._connection.close()

    def fileno(self) -> int:
        """Return the connection's descriptor."""
        return self._connection.fileno()

    # Requests.

    def rpc(
        self,
        topic: str,
        payload: object = None,
        nodeid: int = -1,
        streaming: bool = False,
        noresponse: bool = False,
    ) -> Future:
        """Send a request to a service; `get` of the future waits for the response.

        Args:
            topic: `SERVICE.METHOD`.
            payload: anything that JSON can express.
            nodeid: the rank to ask; -1 for the nearest that has the service, -2 for that above this one.
            streaming: take any number of responses.
            noresponse: want none; the future is then ready, with None.
        """
        matchtag = 0 if noresponse else next(self._tags)
        flags = (STREAMING if streaming else 0) | (NORESPONSE if noresponse else 0)
        frame = encode(request_message(topic, payload, nodeid, flags, matchtag))
        future = Future(self, topic, matchtag, streaming)
        if noresponse:
            future._deliver(None)
        else:
            self._futures[matchtag] = future
        self.send(frame)
        return future

    def cancel(self, matchtag: int) -> None:
        """Cancel the request of this matchtag; `Future.cancel` is the way to it."""
        if matchtag in self._futures:
            self.send(encode({"type": "control", "topic": "cancel", "matchtag": matchtag}))

    def attr_get(self, name: str, timeout: float | None = None) -> str:
        """Return a broker attribute; RPCError with ENOENT where there is none."""
        return str(self.rpc("attr.get", {"name": name}).get(timeout)["value"])

    def attr_set(self, name: str, value: object) -> None:
        """Set a broker attribute; EPERM for one that is fixed."""
        self.rpc("attr.set", {"name": name, "value": str(value)}).get()

    # Events.

    def event_publish(self, topic: str, payload: object = None, private: bool = False) -> int:
        """Publish an event and return its sequence number."""
        body = {"topic": topic, "payload": payload, "private": private}
        return int(self.rpc("event.publish", body).get()["seq"])

    def event_subscribe(self, topic: str, callback: Callable[[Event], object] | None = None) -> None:
        """Receive the events whose topic starts with `topic`: by `event_recv`, or by a callback in the
        reactor.
        """
        self.rpc("event.subscribe", {"topic": topic}).get()
        if callback is not None:
            self._listeners.setdefault(topic, []).append(callback)

    def event_unsubscribe(self, topic: str) -> None:
        """Undo `event_subscribe`, its callbacks included."""
        self.rpc("event.unsubscribe", {"topic": topic}).get()
        self._listeners.pop(topic, None)

    def event_recv(self, timeout: float | None = None) -> Event:
        """Wait for the next event that no callback takes; TimeoutError after `timeout` seconds."""
        self.wait_until(lambda: self._events or self._error, timeout, "an event")
        if self._events:
            return self._events.popleft()
        assert self._error is not None
        raise self._error

    # Services and the reactor.

    def service_register(
        self, name: str, methods: Mapping[str, Callable[[ClientRequest], Any]], allow: int = 1
    ) -> None:
        """Provide the service `name` while in `reactor_run`.

        Each method is called with a request and answers by what it returns, or by a BournError that it
        raises; if it returns `bourn.client.service.LATER` it answers itself, later or many times. `allow`
        is a rolemask.
        """
        self.rpc("service.register", {"service": name, "allow": allow}).get()
        self._services[name] = methods

    def service_unregister(self, name: str) -> None:
        """Undo `service_register`."""
        self.rpc("service.unregister", {"service": name}).get()
        del self._services[name]

    def reactor_run(self, timeout: float | None = None) -> None:
        """Call what is to be called until `reactor_stop`, or until there is nothing left to wait for.

        Raises TimeoutError after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._stopped = False
        while not self._stopped:
            while self._soon and not self._stopped:
                self._soon.popleft()()
            if self._stopped or not (self._watched or self._services or self._listeners):
                return
            if self._error is not None:
                raise self._error
            left = None if deadline is None else deadline - time.monotonic()
            self.wait_until(lambda: self._soon or self._error, left, "the reactor")

    def callbacks_run(self) -> None:
        """Call what is to be called now, and return: for a program whose own loop waits on `fileno`."""
        while self._soon:
            self._soon.popleft()()

    @property
    def callbacks_due(self) -> bool:
        """Whether `callbacks_run` would call something."""
        return bool(self._soon)

    def reactor_stop(self) -> None:
        """Have `reactor_run` return after the present callback."""
        self._stopped = True

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Have `reactor_run` call `callback`."""
        self._soon.append(callback)

    def watched(self, change: int) -> None:
        """Count the futures that `reactor_run` waits for; `Future.then` calls it."""
        self._watched += change

    # The wire.

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        if self._error is not None:
            raise self._error
        try:
            with self._sending:
                self._connection.send(frame)
        except OSError:
            # What the broker said before it hung up is worth more than "broken pipe".
            self.wait_until(lambda: self._error, 1.0, "the broker's last words")
            raise self._error or BournError(f"lost the connection to {self.uri}", errno.ECONNRESET) from None

    def wait_until(self, ready: Callable[[], object], timeout: float | None, what: str) -> None:
        """Return when `ready()` is true; TimeoutError, naming `what`, after `timeout` seconds.

        One of the waiting threads reads. When it has what it wants it wakes another, which goes on reading.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not ready():
            left = -1.0 if deadline is None else deadline - time.monotonic()
            if deadline is not None and left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, f"no answer within {timeout:g} s from {what}")
            if self._reading.acquire(blocking=False):
                try:
                    if not ready():
                        self._read(None if deadline is None else left)
                finally:
                    self._reading.release()
                    if self._waiting:
                        self._wake()
            else:
                waiter = (allocate_lock(), ready)
                waiter[0].acquire()
                self._waiting.append(waiter)
                if not ready() and self._reading.locked():
                    waiter[0].acquire(timeout=left)
                if waiter in self._waiting:
                    self._waiting.remove(waiter)

    def poll(self, timeout: float | None = 0.0) -> None:
        """Take in what the broker has sent, once: for a program whose own loop waits on `fileno`."""
        with self._reading:
            self._read(timeout)

    def _wake(self) -> None:
        """Wake the threads that have what they waited for, and one more, to read on."""
        reader_found = False
        for waiter in list(self._waiting):
            if not waiter[1]():
                if reader_found:
                    continue
                reader_found = True
            try:
                self._waiting.remove(waiter)
            except ValueError:
                continue  # it woke by itself
            waiter[0].release()

    def _read(self, timeout: float | None) -> None:
        connection = self._connection
        try:
            if timeout is not None and not connection.wait(timeout):
                return
            messages = connection.receive()
            if messages is None:
                self._lost(
                    BournError(f"lost the connection to {self.uri}: the instance has ended", errno.ECONNRESET)
                )
                return
            for message in messages:
                self._dispatch(message)
        except OSError as error:
            self._lost(BournError(f"lost the connection to {self.uri}: {error.strerror}", errno.ECONNRESET))
        except BournError as error:
            self._lost(error)

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "response":
            self._response(message)
        elif kind == "event":
            self._event(Event(message["topic"], message.get("payload"), message["seq"]))
        elif kind == "request":
            request = ClientRequest(self.send, message)
            if request.matchtag:
                self._asked[request.matchtag] = request
            self.call_soon(lambda: self._serve(request))
        elif message.get("topic") == "cancel":
            asked = self._asked.pop(message["matchtag"], None)
            if asked is not None:
                asked.cancelled = True
                self.call_soon(lambda: self._cancelled(asked))
        else:
            self._lost(
                BournError(message.get("errstr", "the broker closed the connection"), message.get("errnum"))
            )

    def _response(self, message: dict[str, Any]) -> None:
        matchtag, errnum = message["matchtag"], message.get("errnum", 0)
        future = self._futures.get(matchtag)
        if future is None:
            return
        if errnum or not future.streaming:
            del self._futures[matchtag]
        if errnum:
            future._fail(RPCError(errnum, message.get("errstr", ""), future.topic))
        else:
            future._deliver(message.get("payload"))

    def _event(self, event: Event) -> None:
        callbacks = [
            c for prefix, cs in self._listeners.items() if event.topic.startswith(prefix) for c in cs
        ]
        if not callbacks:
            self._events.append(event)
        for callback in callbacks:
            self.call_soon(lambda callback=callback: callback(event))  # type: ignore[misc]

    def _serve(self, request: ClientRequest) -> None:
        try:
            if not request.cancelled:
                answer(request, self._services)
        finally:
            if request.done:
                self._asked.pop(request.matchtag, None)

    def _cancelled(self, request: ClientRequest) -> None:
        callback, request.on_cancel = request.on_cancel, None
        if callback is not None:
            callback()

    def _lost(self, error: BournError) -> None:
        if self._error is None:
            self._error = error
            for future in list(self._futures.values()):
                future._fail(error)
            self._futures.clear()
