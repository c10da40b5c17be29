"""How brokers come to be connected: what the overlay asks of whatever does it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import trio


class Refused(BournError):
    """A neighbour won't have us, or isn't who it should be: trying again is of no use."""

    errnum = errno.EPERM


class Network(Protocol):
    """Connects this broker with others, each known by its rank."""

    async def dial(self, rank: int) -> trio.abc.Stream:
        """Connect to a rank and make sure that it is the one.

        Raises BournError where it can't be reached at present, `Refused` where it is another's.
        """
        ...

    async def serve(
        self,
        admit: Callable[[trio.abc.Stream, str], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = ...,
    ) -> None:
        """Call `admit(stream, address)` as a task for whoever connects and proves to be of this instance.

        Raises BournError where this broker can't listen.
        """
        ...

    def vouch(self, stream: trio.abc.Stream, rank: int) -> str | None:
        """Say why the other end of an admitted stream can't be the rank that it says it is, or None."""
        ...

    def close(self) -> None:
        """Stop listening, whether anybody was served or not."""
        ...
