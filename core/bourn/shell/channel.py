"""A socket between the host and a task: bytes both ways, for as long as the task holds its end."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from bourn.shell.loop import READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.shell.loop import Loop

CHUNK = 1 << 16


class Channel:
    """The host's end. What the task writes goes to `received`; what `send` is given goes to the task.
    When the task has closed its end, `hung_up` is called.

    A task that doesn't read its replies isn't read from either until it does.
    """

    __slots__ = ("_blocked", "_fd", "_hung_up", "_loop", "_out", "received")

    def __init__(
        self,
        loop: Loop,
        fd: int,
        received: Callable[[bytes], None],
        hung_up: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._out = b""
        self._blocked = False
        self.received = received
        self._hung_up = hung_up
        loop.watch(fd, self._ready)

    def send(self, data: bytes) -> None:
        """Write, now as far as the socket takes it."""
        if self._out:
            self._out += data
        elif self._fd >= 0:
            self._write(data)

    def drain(self) -> None:
        """Take at once what the task has written so far: it has ended."""
        while self._fd >= 0 and self._read():
            pass

    def close(self) -> None:
        """Hang up."""
        if self._fd >= 0:
            self._loop.close(self._fd)
            self._fd = -1
            self._out = b""

    def _ready(self, events: int) -> None:
        if events & WRITE:
            out, self._out = self._out, b""
            self._write(out)
        if events & ~WRITE and not self._blocked:
            self._read()

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self.received(data)
            return True
        self.close()
        if self._hung_up is not None:
            self._hung_up()
        return False

    def _write(self, data: bytes) -> None:
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The task is gone, or has closed its end; reading tells.
            return
        self._out = data[sent:]
        if self._blocked != bool(self._out):
            self._blocked = bool(self._out)
            self._loop.change(self._fd, WRITE if self._blocked else READ)


def pair() -> tuple[int, int]:
    """Return (host's end, task's end) of a new socket pair; the host's doesn't block."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours.detach(), theirs.detach()
