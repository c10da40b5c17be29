"""Archives of files in the key-value store, which jobs take files from: `bourn archive`, `-o stage-in`.

An archive is a tar stream, cut into chunks: `archive.NAME.0`, `archive.NAME.1` and so on, and
`archive.NAME.index`, {chunks, size, files}, which is written last.
"""

from __future__ import annotations

import errno
import io
import os
import tarfile
from fnmatch import fnmatch
from typing import IO, TYPE_CHECKING, cast

from bourn.client import kvs
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bourn.client.handle import Handle

CHUNK = 1 << 20
"""Bytes of a chunk."""
_NAMESPACE = "primary"


def create(h: Handle, name: str, paths: Iterable[str], folder: str = ".", overwrite: bool = False) -> int:
    """Put files, and directories with all that is in them, into an archive; return how many members it has.

    Paths are relative to `folder`, and are found under the same names when they are extracted.
    """
    _check(name)
    if kvs.exists(h, _key(name), _NAMESPACE):
        if not overwrite:
            raise BournError(f"archive {name} exists already; --overwrite replaces it", errno.EEXIST)
        remove(h, name)
    writer = _Writer(h, name)
    count = 0

    def counted(member: tarfile.TarInfo) -> tarfile.TarInfo:
        nonlocal count
        count += 1
        member.name = os.path.normpath(member.name)
        return member

    try:
        with tarfile.open(mode="w|", fileobj=cast(IO[bytes], writer), bufsize=CHUNK) as tar:
            for path in paths:
                if os.path.isabs(path) or ".." in path.split("/"):
                    raise BournError(f"{path}: give paths inside a directory; -C names it")
                tar.add(os.path.join(folder, path), arcname=path, filter=counted)
    except OSError as error:
        writer.give_up()
        raise BournError(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    except BaseException:
        writer.give_up()
        raise
    writer.finish(count)
    return count


def members(h: Handle, name: str, pattern: str = "*") -> Iterator[tarfile.TarInfo]:
    """Yield what is in an archive, as far as its path, or that of a directory it is in, fits the pattern."""
    with _open(h, name) as tar:
        yield from (member for member in tar if _fits(member.name, pattern))


def extract(
    h: Handle, name: str, folder: str = ".", pattern: str = "*", overwrite: bool = False
) -> list[str]:
    """Extract what fits the pattern into a directory, which is made if need be; return the paths.

    Nothing is written outside of `folder`, whatever the archive says.
    """
    done = []
    with _open(h, name) as tar:
        os.makedirs(folder, exist_ok=True)
        for member in tar:
            if not _fits(member.name, pattern):
                continue
            target = os.path.join(folder, member.name)
            if not member.isdir() and os.path.lexists(target):
                if not overwrite:
                    raise BournError(f"{target} exists already; --overwrite replaces it", errno.EEXIST)
                os.unlink(target)
            try:
                tar.extract(member, folder, filter="data")
            except tarfile.FilterError as error:
                raise BournError(f"archive {name}: {error}") from error
            done.append(member.name)
    return done


def remove(h: Handle, name: str) -> None:
    """Remove an archive; ENOENT if there is none."""
    _check(name)
    if not kvs.exists(h, _key(name), _NAMESPACE):
        raise _missing(name)
    kvs.Transaction().unlink(_key(name)).commit(h, _NAMESPACE)


def names(h: Handle) -> list[str]:
    """Return the names of all archives."""
    try:
        return [entry["name"] for entry in kvs.entries(h, "archive", _NAMESPACE)]
    except RPCError as error:
        if error.errnum != errno.ENOENT:
            raise
        return []


class _Writer(io.RawIOBase):
    """Takes the stream; a chunk a transaction."""

    def __init__(self, h: Handle, name: str) -> None:
        self._h = h
        self._name = name
        self._chunks = 0
        self._size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        kvs.Transaction().put_raw(_key(self._name, self._chunks), data).commit(self._h, _NAMESPACE)
        self._chunks += 1
        self._size += len(data)
        return len(data)

    def finish(self, files: int) -> None:
        index = {"chunks": self._chunks, "size": self._size, "files": files}
        kvs.Transaction().put(_key(self._name, "index"), index).commit(self._h, _NAMESPACE)

    def give_up(self) -> None:
        if self._chunks:
            kvs.Transaction().unlink(_key(self._name)).commit(self._h, _NAMESPACE)


class _Reader(io.RawIOBase):
    """Yields the stream; holds one chunk."""

    def __init__(self, h: Handle, name: str) -> None:
        self._h = h
        self._name = name
        try:
            self._chunks = kvs.get(h, _key(name, "index"), _NAMESPACE)["chunks"]
        except RPCError as error:
            if error.errnum in (errno.ENOENT, errno.ENOTDIR):
                raise _missing(name) from None
            raise
        self._next = 0
        self._rest = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        if not self._rest and self._next < self._chunks:
            data = kvs.get_raw(self._h, _key(self._name, self._next), _NAMESPACE)
            self._rest = memoryview(data if isinstance(data, bytes) else data.encode())
            self._next += 1
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)


def _open(h: Handle, name: str) -> tarfile.TarFile:
    _check(name)
    reader = _Reader(h, name)
    return tarfile.open(mode="r|", fileobj=cast(IO[bytes], reader), bufsize=CHUNK)


def _check(name: str) -> None:
    if not name or "." in name or "/" in name:
        raise BournError(f"'{name}' can't be the name of an archive: it is a word without dots and slashes")


def _missing(name: str) -> BournError:
    return BournError(f"there is no archive {name}", errno.ENOENT)


def _key(name: str, part: str | int | None = None) -> str:
    return f"archive.{name}" if part is None else f"archive.{name}.{part}"


def _fits(path: str, pattern: str) -> bool:
    parts = path.split("/")
    return any(fnmatch("/".join(parts[:n]), pattern) for n in range(1, len(parts) + 1))
