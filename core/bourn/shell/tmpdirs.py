"""Private directories of jobs: made at the first need, used again while they stay empty, removed with the
host.

Making and removing a directory would cost a short job a tenth of its time. Whether a directory was used is
one look at its time of change, which starts at 0: clocks of file systems are too coarse to tell two changes
apart.
"""

from __future__ import annotations

import os


class TmpDirs:
    """A pool of directories in one of its own below `folder`, or $TMPDIR; `name` is the host's."""

    def __init__(self, folder: str, name: str) -> None:
        self._root = root_of(folder, name)
        self._count = 0
        self._free: list[str] = []
        self._used: dict[int, str] = {}

    def of(self, id: int) -> str:
        """Return the job's directory, the same at each call."""
        path = self._used.get(id)
        if path is None:
            path = self._used[id] = self._free.pop() if self._free else self._make()
        return path

    def release(self, id: int) -> None:
        """Take back the directory that a job had, if it had one; end what brokers among its tasks left."""
        path = self._used.pop(id, "")
        if not path:
            return
        try:
            if os.stat(path).st_mtime_ns == 0:
                self._free.append(path)
                return
        except OSError:
            pass
        from bourn.abandoned import remove_noted

        remove_noted(path)
        _remove(path)

    def close(self) -> None:
        """Remove everything."""
        if self._count:
            _remove(self._root)

    def _make(self) -> str:
        self._count += 1
        path = f"{self._root}/{self._count}"
        if self._count == 1:
            os.mkdir(self._root, 0o700)
        os.mkdir(path, 0o700)
        os.utime(path, ns=(0, 0))
        return path


def root_of(folder: str, name: str) -> str:
    """Return where the directories of a host's jobs lie."""
    return f"{folder or os.environ.get('TMPDIR') or '/tmp'}/bourn-jobtmp-{name}"


def _remove(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)
