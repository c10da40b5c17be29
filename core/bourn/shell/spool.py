"""Reports on disk, for as long as no broker takes them: bounded, in a file that nobody else can see."""

from __future__ import annotations

import os
from contextlib import suppress


class Spool:
    """A file without a name, so that nothing is left of it however its owner ends."""

    def __init__(self, folder: str, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._fd = -1
        self._size = 0
        self.full = False
        """Whether something was refused since the last `clear`: the limit is reached, or the disk is full."""

    def append(self, data: bytes | bytearray) -> tuple[int, int] | None:
        """Write data; return (offset, size) for `read`, or None where there is no room, now and until
        `clear`."""
        if self.full or self._size + len(data) > self._limit:
            self.full = True
            return None
        try:
            if self._fd < 0:
                self._fd = _nameless(self._folder)
            view, at = memoryview(data), self._size
            while view:
                sent = os.pwrite(self._fd, view, at)
                view, at = view[sent:], at + sent
        except OSError:
            self.full = True
            return None
        place = (self._size, len(data))
        self._size += len(data)
        return place

    def read(self, offset: int, size: int) -> bytes:
        """Return what was written there; OSError where the disk has failed."""
        data = os.pread(self._fd, size, offset)
        if len(data) != size:
            raise OSError(f"{size} bytes at {offset} of the reports on disk are gone")
        return data

    def clear(self) -> None:
        """Forget all of it."""
        self.full = False
        self._size = 0
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _nameless(folder: str) -> int:
    with suppress(OSError):
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    # Not every file system can do that.
    path = os.path.join(folder, f".spool-{os.getpid()}")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd
