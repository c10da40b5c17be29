"""The directory of what lives as long as the instance: its socket above all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET_PATH_MAX = 107
"""The longest path that a UNIX socket can be bound to (`sun_path` less its final zero)."""


def make_rundir(wanted: str | None, environ: Mapping[str, str], *, guests: bool = False) -> tuple[Path, bool]:
    """Return the instance's private directory, and whether it was made here (and is to be removed).

    Without one that is wanted: a new one under XDG_RUNTIME_DIR, TMPDIR or /tmp, the first that exists, can be
    written to and is short enough for a socket. Guests must be able to reach theirs, so XDG_RUNTIME_DIR is
    not for them.
    """
    mode = 0o711 if guests else 0o700
    if wanted is not None:
        path = Path(wanted).absolute()
        _check_length(path)
        made = not path.exists()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise BournError(f"rundir {path}: can't be written to", errno.EACCES)
        if (path / "local").exists():
            raise BournError(f"rundir {path}: another instance uses it, or left its socket 'local' there")
        if made:
            path.chmod(mode)
        return path, made
    parents = [] if guests else [environ.get("XDG_RUNTIME_DIR")]
    for parent in [*parents, environ.get("TMPDIR"), "/tmp"]:
        path = Path(parent or "") / f"bourn-{os.urandom(4).hex()}"
        if not parent or not path.is_absolute() or len(os.fsencode(path / "local")) > SOCKET_PATH_MAX:
            continue
        try:
            path.mkdir(mode=0o700)
        except OSError:
            continue
        path.chmod(mode)
        return path, True
    raise BournError(
        "no directory for the instance's socket: XDG_RUNTIME_DIR, TMPDIR and /tmp can't be written to"
    )


def _check_length(path: Path) -> None:
    length = len(os.fsencode(path / "local"))
    if length > SOCKET_PATH_MAX:
        raise BournError(
            f"rundir {path}: its socket's path has {length} bytes; the system takes {SOCKET_PATH_MAX}",
            errno.ENAMETOOLONG,
        )
