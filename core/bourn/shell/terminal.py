"""A pseudo-terminal for a task: the host holds the master, the task's session the other side."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from bourn.shell.stream import Stream, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.shell.jobio import JobIO
    from bourn.shell.loop import Loop

END_OF_FILE = b"\x04"
"""What a user types to end the input (Ctrl-D)."""


class Terminal:
    """A new pseudo-terminal. `path` is what the task opens; `slave` keeps it alive until then."""

    def __init__(self, loop: Loop, rows: int, columns: int) -> None:
        self._loop = loop
        self._master, self.slave = os.openpty()
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self.slave)
        self.stream: Stream | None = None
        self.resize(rows, columns)

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the window; the programs in it get SIGWINCH."""
        if self._master >= 0:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def capture(self, job: JobIO, sink: Callable[[bytes], None]) -> None:
        """Hand what is written to the terminal to `sink`, b"" at the end."""
        self.stream = Stream(self._loop, job, self._master, sink)

    def writer(self) -> Writer:
        """Return what types into it."""
        # The loop watches a descriptor once only: the reader has the other.
        return _Typist(self._loop, os.dup(self._master))

    def hang_up(self) -> None:
        """The task has ended: take what it wrote last and close, whoever else has the terminal open."""
        if self.stream is not None:
            self.stream.finish()
        elif self._master >= 0:
            os.close(self._master)
        self._master = -1


class _Typist(Writer):
    """Writes to a terminal, whose input never ends: the end of file is a key."""

    __slots__ = ("_last",)

    def __init__(self, loop: Loop, fd: int) -> None:
        super().__init__(loop, fd)
        self._last = b"\n"

    def write(self, data: bytes, eof: bool, taken: Callable[[], None]) -> None:
        self._last = data[-1:] or self._last
        if eof:
            # On an unfinished line, the first only ends the line.
            data += END_OF_FILE if self._last in b"\r\n" else END_OF_FILE * 2
        super().write(data, False, taken)
