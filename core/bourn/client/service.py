"""A client that is a service: the requests that come to it."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from bourn.client.rpc import NORESPONSE, STREAMING
from bourn.client.transport import encode
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Services = Mapping[str, Mapping[str, Callable[["ClientRequest"], Any]]]


class Later(Enum):
    """The type of `LATER`."""

    LATER = "later"


LATER: Final = Later.LATER
"""What a method returns to answer its request another time, or many times."""


class ClientRequest:
    """A request that a client's own service has received; the broker vouches for `userid` and `rolemask`."""

    __slots__ = (
        "_send",
        "cancelled",
        "client",
        "done",
        "flags",
        "matchtag",
        "on_cancel",
        "payload",
        "rolemask",
        "topic",
        "userid",
    )

    def __init__(self, send: Callable[[bytes], object], message: dict[str, Any]) -> None:
        self._send = send
        self.topic: str = message["topic"]
        self.payload: Any = message.get("payload")
        self.matchtag: int = message.get("matchtag", 0)
        # A broker that tells of another's client doesn't say who it was.
        self.userid: int = message.get("userid", -1)
        self.rolemask: int = message.get("rolemask", 0)
        self.flags: int = message.get("flags", 0)
        self.client: str = message.get("client", "")
        self.cancelled = False
        self.on_cancel: Callable[[], object] | None = None
        """Called once if the sender cancels or goes away."""
        self.done = bool(self.flags & NORESPONSE)

    @property
    def streaming(self) -> bool:
        """Whether the sender takes more than one response."""
        return bool(self.flags & STREAMING)

    def respond(self, payload: object = None) -> None:
        """Send a response; of a streaming request one of many."""
        if not self.done:
            self.done = not self.streaming
            self._reply({"payload": payload})

    def error(self, errnum: int, text: str = "") -> None:
        """End the request with an error."""
        if not self.done:
            self.done = True
            self._reply({"errnum": errnum, "errstr": text})

    def end(self) -> None:
        """End a streaming request well (ENODATA)."""
        self.error(errno.ENODATA, "end of stream")

    def conclude(self, result: object) -> None:
        """Answer with what a method returned."""
        if result is LATER:
            return
        if self.streaming:
            self.end()
        else:
            self.respond(result)

    def _reply(self, rest: dict[str, Any]) -> None:
        if not self.cancelled:
            self._send(encode({"type": "response", "topic": self.topic, "matchtag": self.matchtag, **rest}))


def answer(request: ClientRequest, services: Services) -> None:
    """Find the method that a request names, call it, and answer with what becomes of it."""
    with answering(request):
        request.conclude(method_of(request, services)(request))


def method_of(request: ClientRequest, services: Services) -> Callable[[ClientRequest], Any]:
    """Return the method that a request names; BournError where there is none."""
    service, _, name = request.topic.partition(".")
    methods = services.get(service, {})
    if name not in methods:
        hint = suggest(name, methods)
        raise BournError(f"service '{service}' has no method '{name}'{hint}", errno.ENOSYS)
    return methods[name]


@contextmanager
def answering(request: ClientRequest) -> Iterator[None]:
    """Answer a request with the error that is raised within; one that nobody meant goes on."""
    try:
        yield
    except BournError as error:
        request.error(error.errnum, error.message)
    except Exception as error:
        service = request.topic.partition(".")[0]
        text = f"service '{service}' failed in {request.topic}: {type(error).__name__}: {error}"
        request.error(errno.EIO, text)
        raise
