"""What both versions of PMI have in common, from the client's side: talks of requests and replies. No I/O.

A talk is a generator: it yields the bytes to send and is sent the reply, until it returns its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Generator


class PmiRefused(BournError):
    """The process manager answers a request with an error, or with what is no answer."""


class NoSuchKey(PmiRefused):
    """There is no value of this key, or none yet."""


class Wire(Protocol):
    """A version of the protocol. `init` comes first."""

    jobid: str
    """What the tasks of this job have in common and no others; known after `init`."""
    value_max: int
    """The longest value in bytes; known after `init`."""

    def init(self) -> Generator[bytes, bytes, None]:
        """Agree on the version, learn the job and the limits."""
        ...

    def put(self, key: str, value: str) -> Generator[bytes, bytes, None]:
        """Offer a value, which others can get after the next fence."""
        ...

    def get(self, key: str) -> Generator[bytes, bytes, str]:
        """Return the value of a key."""
        ...

    def fence(self) -> Generator[bytes, bytes, None]:
        """Wait until all tasks are here."""
        ...

    def finalize(self) -> Generator[bytes, bytes, None]:
        """Take leave."""
        ...

    def abort(self, message: str) -> bytes:
        """Return the request, which gets no reply, that ends all tasks of the job."""
        ...

    def take(self, buffer: bytearray) -> bytes | None:
        """Take one whole reply out of what was received; None while there is none."""
        ...
