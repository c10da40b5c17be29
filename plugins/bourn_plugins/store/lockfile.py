"""One broker to a state directory."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME = "lock"


class InstanceLock:
    """Holds a lock on a directory until `release()` or the end of the process, however it ends."""

    def __init__(self, directory: Path) -> None:
        """Take the lock; BournError EBUSY names the process that has it."""
        self._path = path = directory / LOCK_NAME
        self._ours = not path.exists()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise BournError(f"state directory {directory}: {e.strerror}", e.errno) from e
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            holder = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            if e.errno not in (errno.EAGAIN, errno.EACCES):
                raise BournError(f"{path}: can't be locked: {e.strerror}", e.errno) from e
            raise BournError(
                f"state directory {directory} is in use by the broker with process id {holder}", errno.EBUSY
            ) from None

    def claim(self) -> None:
        """Say whose it is. Until then nothing of the directory has been changed: it may yet be refused."""
        self._ours = False
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds all the same, only without the holder's id

    def release(self) -> None:
        """Let go; the file stays, as removing it could take a lock away from another, unless it was made for
        a directory that was then refused.
        """
        if self._fd >= 0:
            if self._ours:
                self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1
