"""Starting a shell host, finding one by its socket, and ending what is left of one."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UCRED = struct.Struct("3i")
_CHILD_FD = 3


def socket_name(rank: int, userid: int) -> str:
    """Return the name of a host's socket in the instance's directory."""
    return f"shell-{rank}-{userid}.sock"


def connect(folder: Path, name: str) -> socket.socket:
    """Connect to a host's socket; OSError when nobody listens."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        with _Short(folder) as prefix:
            sock.connect(f"{prefix}/{name}")
        if _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[1] not in (
            os.getuid(),
            0,
        ):
            raise PermissionError(f"{folder / name} is served by another user")
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def launch(
    folder: Path, name: str, *, tmpdir: Path | None, grace: float, disable: Iterable[str] = ()
) -> tuple[int, int, socket.socket]:
    """Start a host; return its process id, a descriptor with what it prints, and a connection to it.

    The host inherits a socket that listens already, so nobody waits for it to come up. It leads a session of
    its own, to which its tasks belong as well: that is how they are found if it dies.
    """
    listener = socket.socket(socket.AF_UNIX)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    said_r, said_w = os.pipe2(os.O_CLOEXEC)
    try:
        path = folder / name
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            with _Short(folder) as prefix:
                listener.bind(f"{prefix}/{name}")
        finally:
            os.umask(mask)
        listener.listen(4)
        command = [sys.executable, "-m", "bourn.shell", "--fd", str(_CHILD_FD), "--unlink", str(path)]
        command += ["--grace", str(grace), "--disable", ",".join(disable)]
        if tmpdir is not None:
            command += ["--dir", str(tmpdir)]
        pid = os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            file_actions=(
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, said_w, 2),
                (os.POSIX_SPAWN_DUP2, listener.fileno(), _CHILD_FD),
            ),
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP),
        )
        try:
            connection = connect(folder, name)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            raise
    except OSError as error:
        os.close(said_r)
        raise BournError(
            f"can't start a shell host at {folder / name}: {error.strerror or error}", error.errno
        ) from error
    finally:
        os.close(said_w)
        os.close(null)
        listener.close()
    return pid, said_r, connection


async def ended(pid: int) -> None:
    """Wait until a process is gone; it is reaped if it is a child."""
    if not pid:
        return
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        await trio.lowlevel.wait_readable(fd)
    finally:
        os.close(fd)
    _reap(pid)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def kill_session(leader: int) -> int:
    """Kill every process of the session that `leader`, a shell host, led, and its descendants in others;
    return how many there were.
    """
    found: set[int] = set()
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # pid (command) state ppid pgrp session ...; the command may hold anything.
                fields = file.read().rpartition(b")")[2].split(None, 4)
        except OSError:
            continue
        if fields[0] != b"Z":
            children.setdefault(int(fields[1]), []).append(int(name))
            if int(fields[3]) == leader:
                found.add(int(name))
    family = [*found]
    for pid in family:
        family += [child for child in children.get(pid, ()) if child not in found]
        found.update(family)
    for pid in found:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


class _Short:
    """A name for a folder that fits into a socket address, which holds 108 bytes only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        self._fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
