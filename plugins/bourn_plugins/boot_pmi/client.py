"""Talks with the process manager over its socket."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import trio

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Generator

    from bourn_plugins.boot_pmi.wire import Wire

T = TypeVar("T")
CHUNK = 65536


class PmiClient:
    """One task's connection. `fd` is the number of the descriptor that the process manager left us."""

    def __init__(self, fd: int, wire: Wire) -> None:
        self.wire = wire
        try:
            sock = socket.socket(fileno=fd)
            sock.set_inheritable(False)
            sock.setblocking(False)
            self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        except (OSError, ValueError) as error:
            raise BournError(f"PMI_FD={fd} is no connection to a process manager: {error}") from None
        self._buffer = bytearray()

    async def hold(self, talk: Generator[bytes, bytes, T]) -> T:
        """Go through a talk and return its result."""
        try:
            request = next(talk)
            while True:
                await self._stream.send_all(request)
                request = talk.send(await self._reply())
        except StopIteration as end:
            result: T = end.value
            return result
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _gone() from None

    async def abort(self, message: str) -> None:
        """Ask for the end of all tasks of the job."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # it has gone, and all with it
            await self._stream.send_all(self.wire.abort(message))

    async def close(self) -> None:
        """Hang up."""
        await self._stream.aclose()

    async def _reply(self) -> bytes:
        while True:
            reply = self.wire.take(self._buffer)
            if reply is not None:
                return reply
            data = await self._stream.receive_some(CHUNK)
            if not data:
                raise _gone()
            self._buffer += data


def _gone() -> BournError:
    return BournError("the process manager has hung up (PMI)", errno.ECONNRESET)
