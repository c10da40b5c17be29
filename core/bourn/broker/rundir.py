"""The directory of what lives as long as the instance: its socket above all."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bourn.abandoned import clear, hold, listened_to
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "bourn-"
NOTE = "rundir"
"""The file of a state directory that names the run directory of the broker that has it."""
LINK = "local"
"""What the link of a state directory to the socket of the broker that has it is called; with the rank behind
it on ranks but 0."""
SOCKET_PATH_MAX = 107
"""The longest path that a UNIX socket can be bound to (`sun_path` less its final zero)."""


def make_rundir(wanted: str | None, environ: Mapping[str, str], *, guests: bool = False) -> tuple[Path, bool]:
    """Return the instance's private directory, and whether it was made here (and is to be removed).

    Without one that is wanted: a new one under XDG_RUNTIME_DIR, TMPDIR or /tmp, the first that exists, can be
    written to and is short enough for a socket; those beside it whose brokers were killed are removed. Guests
    must be able to reach theirs, so XDG_RUNTIME_DIR is not for them.
    """
    mode = 0o711 if guests else 0o700
    if wanted is not None:
        path = Path(wanted).absolute()
        _check_length(path)
        made = not path.exists()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise BournError(f"rundir {path}: can't be written to", errno.EACCES)
        local = path / "local"
        if listened_to(str(path)):
            raise BournError(f"rundir {path}: another instance uses it", errno.EBUSY)
        if local.exists() and not local.is_socket():
            raise BournError(
                f"rundir {path}: 'local' is the name of the instance's socket, and a file has it"
            )
        local.unlink(missing_ok=True)
        if made:
            path.chmod(mode)
        return path, made
    parents = [] if guests else [environ.get("XDG_RUNTIME_DIR")]
    for parent in [*parents, environ.get("TMPDIR"), "/tmp"]:
        path = Path(parent or "") / f"{PREFIX}{os.urandom(4).hex()}"
        if not parent or not path.is_absolute() or len(os.fsencode(path / "local")) > SOCKET_PATH_MAX:
            continue
        try:
            path.mkdir(mode=0o700)
            while not hold(str(path)):
                path = path.with_name(f"{PREFIX}{os.urandom(4).hex()}")
                path.mkdir(mode=0o700)
        except OSError:
            continue
        path.chmod(mode)
        clear(parent)
        return path, True
    raise BournError(
        "no directory for the instance's socket: XDG_RUNTIME_DIR, TMPDIR and /tmp can't be written to"
    )


def succeed(statedir: Path, rundir: Path, rank: int = 0) -> None:
    """Remove the run directory of a broker that was killed on this state directory; note ours for the next.

    To be called by who has the state directory for itself.
    """
    note = _of_rank(statedir, NOTE, rank)
    try:
        before = Path(note.read_text().strip())
        ours = before.name.startswith(PREFIX) and before.lstat().st_uid == os.getuid()
        if ours and before != rundir and not before.is_symlink() and not listened_to(str(before)):
            shutil.rmtree(before, ignore_errors=True)
    except (OSError, ValueError):
        pass
    with suppress(OSError):  # on a full disk the next one has nothing to go by
        note.write_text(f"{rundir}\n")


def lasting_uri(statedir: Path, rank: int, uri: str) -> str:
    """Return an address of the broker at `uri` that its successor on the state directory has as well, by a
    link there: `uri` itself where its path is too long for a socket, or no link can be made.
    """
    link = _of_rank(statedir, LINK, rank)
    scheme, socket_path = uri[:8], uri[8:]
    if scheme != "local://" or len(os.fsencode(link)) > SOCKET_PATH_MAX:
        return uri
    new = link.with_name(f"{link.name}.new")
    try:
        new.unlink(missing_ok=True)
        new.symlink_to(socket_path)
        new.replace(link)
    except OSError:
        return uri
    return f"local://{link}"


def leave(statedir: Path, rundir: Path, rank: int = 0) -> None:
    """Take the note and the link back: the run directory is gone."""
    note, link = _of_rank(statedir, NOTE, rank), _of_rank(statedir, LINK, rank)
    with suppress(OSError):
        if link.readlink() == rundir / "local":
            link.unlink()
    with suppress(OSError):
        if note.read_text().strip() == str(rundir):
            note.unlink()


def _of_rank(statedir: Path, name: str, rank: int) -> Path:
    """Return a file of a rank in a state directory that several may share."""
    return statedir / (f"{name}-{rank}" if rank else name)


def _check_length(path: Path) -> None:
    length = len(os.fsencode(path / "local"))
    if length > SOCKET_PATH_MAX:
        raise BournError(
            f"rundir {path}: its socket's path has {length} bytes; the system takes {SOCKET_PATH_MAX}",
            errno.ENAMETOOLONG,
        )
