"""The reading end of a task's output pipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.shell.loop import WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.shell.jobio import JobIO
    from bourn.shell.loop import Loop

CHUNK = 1 << 16
PIPE_CHUNKS = 3
"""So many chunks are read of a task that has ended: what a pipe holds, and the end."""


class Stream:
    """Hands what a task writes to `sink`, and b"" at the end of file; can be paused when the reader is
    behind.

    The loop watches it only after a while: most tasks are short, and what they wrote is taken when they end,
    which saves four system calls in six.
    """

    __slots__ = ("_fd", "_job", "_loop", "_sink", "_watched", "paused")

    def __init__(self, loop: Loop, job: JobIO, fd: int, sink: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._job = job
        self._fd = fd
        self._sink = sink
        self._watched = False
        self.paused = False
        loop.watch_later(self._watch)

    def _watch(self) -> None:
        if not self._watched and not self.paused and self._fd >= 0:
            self._watched = True
            self._loop.watch(self._fd, self._ready)

    def _ready(self, _events: int) -> None:
        self._read()

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            # A terminal that nobody has open any more says so by an error.
            data = b""
        if not data:
            self._close()
        self._job.received(self, self._sink, data)
        return bool(data)

    def _close(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.close(self._fd)
        else:
            os.close(self._fd)
        self._fd = -1

    def pause(self) -> None:
        """Read no more; the task blocks once the pipe is full."""
        self.paused = True
        if self._watched:
            self._watched = False
            self._loop.unwatch(self._fd)

    def resume(self) -> None:
        """Read on."""
        if self.paused:
            self.paused = False
            self._watch()

    def drain(self) -> None:
        """Hand over what a task that has ended left in the pipe. If others write as well, the end comes
        later."""
        for _ in range(PIPE_CHUNKS):
            if self.paused or self._fd < 0 or not self._read():
                return

    def finish(self) -> None:
        """Hand over what is there, and close, though others may go on writing."""
        while self._fd >= 0 and self._read():
            pass
        if self._fd >= 0:
            self._close()
            self._job.received(self, self._sink, b"")

    def abandon(self) -> None:
        """Close without reading what is left; whoever still writes gets SIGPIPE."""
        if self._fd >= 0:
            self._close()


class Writer:
    """The writing end of a task's input pipe: queues what doesn't fit, closes after the end of file."""

    __slots__ = ("_eof", "_fd", "_loop", "_queue", "_taken", "_watched")

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._queue: list[bytes] = []
        self._eof = False
        self._watched = False
        self._taken: list[Callable[[], None]] = []

    def write(self, data: bytes, eof: bool, taken: Callable[[], None]) -> None:
        """Add data, and whether it is the last; `taken` is called when the pipe has all of it, or nobody
        reads."""
        if self._fd < 0 or self._eof:
            taken()
            return
        if data:
            self._queue.append(data)
        self._eof = eof
        self._taken.append(taken)
        self._flush(0)

    def close(self) -> None:
        """Close now, whatever is queued."""
        self._queue.clear()
        if self._fd >= 0:
            if self._watched:
                self._loop.close(self._fd)
            else:
                os.close(self._fd)
            self._fd = -1
        self._tell()

    def _flush(self, _events: int) -> None:
        queue = self._queue
        try:
            while queue:
                sent = os.write(self._fd, queue[0])
                if sent == len(queue[0]):
                    del queue[0]
                else:
                    queue[0] = queue[0][sent:]
        except BlockingIOError:
            if not self._watched:
                self._watched = True
                self._loop.watch(self._fd, self._flush, WRITE)
            return
        except OSError:
            self._eof = True
        if self._watched:
            # A pipe with room is always ready: watch it only while something waits for that.
            self._watched = False
            self._loop.unwatch(self._fd)
        if self._eof:
            self.close()
        else:
            self._tell()

    def _tell(self) -> None:
        waiting, self._taken = self._taken, []
        for taken in waiting:
            taken()
