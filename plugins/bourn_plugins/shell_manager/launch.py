"""Starting a shell host, and finding one by its socket."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.shell.deaf import DEAF_TO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UCRED = struct.Struct("3i")
_CHILD_FD = 3


SOCKET = ".sock"
RECORD = ".host"
"""What the name of the file ends in that says which process a host is; it begins like its socket's."""


def socket_name(rank: int, userid: int) -> str:
    """Return the name of a host's socket in the instance's directory."""
    return f"shell-{rank}-{userid}{SOCKET}"


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
    folder: Path,
    name: str,
    host: str,
    *,
    tmpdir: Path | None,
    grace: float,
    spool: int,
    timeout: float,
    disable: Iterable[str] = (),
) -> tuple[int, int, socket.socket]:
    """Start the host called `host`; return its process id, a descriptor with what it prints, and a connection
    to it.

    The host inherits a socket that listens already, so nobody waits for it to come up. It leads a session of
    its own, to which its tasks belong as well: that is how they are found if it dies. With a grace time it
    keeps up to `spool` bytes of reports on disk, in `folder`, while no broker is there.
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
        command += ["--unlink", str(path.with_suffix(RECORD)), "--name", host]
        command += ["--grace", str(grace), "--disable", ",".join(disable), "--timeout", str(timeout)]
        if grace:
            command += ["--spool", str(folder), "--spool-limit", str(spool)]
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
            setsigmask=DEAF_TO,
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


class _Short:
    """A name for a folder that fits into a socket address, which holds 108 bytes only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        self._fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
