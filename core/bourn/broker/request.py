"""A request in the hands of a service, and where its answer goes."""

from __future__ import annotations

import errno
import logging
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard, TypeVar, cast, overload

from bourn.broker.message import STREAMING
from bourn.broker.roles import Role
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSet

    import trio

log = logging.getLogger("bourn.broker")

T = TypeVar("T")
_REQUIRED: Final = object()
_OWNER = int(Role.OWNER)  # arithmetic on enum flags is slow


class Later(Enum):
    """The type of `LATER`."""

    LATER = "later"


LATER: Final = Later.LATER
"""What a method returns to keep its request and respond to it another time."""


class Origin(Protocol):
    """Who sent a request: a client's session, a module's pending call, another broker."""

    def reply(self, request: Request, payload: object) -> None:
        """Take one response."""

    def fail(self, request: Request, errnum: int, text: str) -> None:
        """Take the error that ends the request."""

    def keep(self, request: Request) -> None:
        """Remember a request that isn't answered yet, so that it can be cancelled."""

    def release(self, request: Request) -> None:
        """Forget a kept request: it has had its last response."""

    async def drained(self) -> None:
        """Wait until the sender has taken most of what was sent to it."""

    @property
    def behind(self) -> bool:
        """Whether `drained` would wait."""


class Request:
    """One request. `payload` may be shared with its sender: treat it as immutable.

    `client` names the sender for as long as it is connected (it is what `Module.disconnect` is told);
    `userid` and `rolemask` are its credentials, which can't be forged.
    `on_cancel`, where a service sets it, is called once if the sender cancels or goes away; the task of an
    `async` method is cancelled then.
    """

    __slots__ = (
        "_holder",
        "client",
        "done",
        "flags",
        "matchtag",
        "nodeid",
        "on_cancel",
        "origin",
        "payload",
        "rolemask",
        "scope",
        "topic",
        "userid",
    )

    def __init__(
        self,
        topic: str,
        payload: Any,
        origin: Origin,
        *,
        userid: int,
        rolemask: int,
        flags: int = 0,
        matchtag: int = 0,
        nodeid: int = -1,
        client: str = "",
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.origin = origin
        self.userid = userid
        self.rolemask = rolemask
        self.flags = flags
        self.matchtag = matchtag
        self.nodeid = nodeid
        self.client = client
        self.done = False
        self.on_cancel: Callable[[], None] | None = None
        self.scope: trio.CancelScope | None = None
        self._holder: MutableSet[Request] | None = None

    def __repr__(self) -> str:
        return f"<Request {self.topic} from {self.client or 'broker'}>"

    @property
    def streaming(self) -> bool:
        """Whether the sender takes more than one response."""
        return bool(self.flags & STREAMING)

    @property
    def is_owner(self) -> bool:
        """Whether the sender acts for the instance's owner."""
        return bool(self.rolemask & _OWNER)

    def respond(self, payload: object = None) -> None:
        """Send a response; of a streaming request one of many, else the only one. Never blocks."""
        if self.done:
            return
        if not self.flags & STREAMING:
            self._finish()
        self.origin.reply(self, payload)

    def error(self, errnum: int, text: str = "") -> None:
        """End the request with an error."""
        if self.done:
            return
        self._finish()
        self.origin.fail(self, errnum, text)

    def end(self) -> None:
        """End a streaming request well (ENODATA)."""
        self.error(errno.ENODATA, "end of stream")

    @property
    def behind(self) -> bool:
        """Whether the sender is slow to take its responses: a service that can send them later does."""
        return self.origin.behind

    async def drained(self) -> None:
        """Wait while the sender is slow to take its responses: a long stream calls it now and then."""
        await self.origin.drained()

    def cancel(self) -> None:
        """Act on the sender's wish, or its leaving: tell the service, then end the request."""
        if self.done:
            return
        callback, self.on_cancel = self.on_cancel, None
        if callback is not None:
            try:
                callback()
            except Exception:
                log.exception("a service failed when %s was cancelled", self.topic)
        if self.scope is not None:
            self.scope.cancel()
        if self.flags & STREAMING:
            self.end()
        else:
            self.error(errno.ECANCELED, "cancelled")

    def keep(self, holder: MutableSet[Request]) -> None:
        """Put off the answer: `holder` (the service) and the origin remember the request until it comes."""
        self._holder = holder
        holder.add(self)
        self.origin.keep(self)

    def _finish(self) -> None:
        self.done = True
        if self._holder is not None:
            self._holder.discard(self)
            self._holder = None
            self.origin.release(self)

    @overload
    def get(self, key: str, kind: type[T]) -> T: ...
    @overload
    def get(self, key: str, kind: type[T], default: None) -> T | None: ...
    @overload
    def get(self, key: str, kind: type[T], default: T) -> T: ...
    def get(self, key: str, kind: type[T], default: object = _REQUIRED) -> T | None:
        """Return `payload[key]`, checked to be a `kind` (an `int` of 64 bits at most); EPROTO names what is
        missing or wrong.
        """
        payload = self.payload
        if payload is not None and not isinstance(payload, dict):
            raise BournError(f"{self.topic}: payload must be an object", errno.EPROTO)
        value = payload.get(key) if payload else None
        if value is None:
            if default is _REQUIRED:
                raise BournError(f"{self.topic}: payload lacks '{key}'", errno.EPROTO)
            return cast("T | None", default)
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or (kind is int and not is_int(value)):
            what = "whole number of 64 bits" if kind is int else kind.__name__
            raise BournError(f"{self.topic}: '{key}' must be a {what}, not {value!r:.60}", errno.EPROTO)
        return value


def is_int(value: object) -> TypeGuard[int]:
    """Whether a value of a payload is a whole number that the store and other languages can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


class Nowhere:
    """The origin of a request that wants no answer; an error is passed to `complain`."""

    __slots__ = ("_complain",)

    def __init__(self, complain: Callable[[str], None] | None = None) -> None:
        self._complain = complain

    def reply(self, request: Request, payload: object) -> None:
        """Drop it."""

    def fail(self, request: Request, errnum: int, text: str) -> None:
        """Report a failure that nobody waits for."""
        if self._complain is not None and errnum != errno.ENODATA:
            self._complain(f"{request.topic}: {text}")

    def keep(self, request: Request) -> None:
        """Nothing can cancel it."""

    def release(self, request: Request) -> None:
        """Nothing was kept."""

    behind = False

    async def drained(self) -> None:
        """Never full."""
