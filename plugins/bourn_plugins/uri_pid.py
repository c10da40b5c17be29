"""URI resolver `pid`: the instance in which a process runs, or whose broker it is."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.uri import UriResolver

if TYPE_CHECKING:
    from collections.abc import Iterable


def from_pid(target: str) -> str:
    """Return BOURN_URI of a process, or of a broker's child that has another: its own is the parent's."""
    if not target.isdecimal():
        raise BournError(f"pid:{target}: not a process id")
    own = _environment(int(target), target).get("BOURN_URI")
    for pid in _children(int(target)):
        # Some of a broker's children, such as its shell hosts, have its own environment.
        uri = _environment(pid, target).get("BOURN_URI")
        if uri and uri != own:
            return uri
    if own:
        return own
    raise BournError(f"pid:{target}: neither the process nor its children have BOURN_URI", errno.ENOENT)


def _children(pid: int) -> list[int]:
    """Return the children of a process that is a broker; of any other process it is itself that counts."""
    process = Path(f"/proc/{pid}")
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        if not any(word.endswith(b"bourn") for word in words[:2]) or b"start" not in words:
            return []
        return [int(child) for child in (process / f"task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _environment(pid: int, target: str) -> dict[str, str]:
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except FileNotFoundError:
        raise BournError(f"pid:{target}: there is no process {pid}", errno.ENOENT) from None
    except PermissionError:
        raise BournError(f"pid:{target}: process {pid} is another user's", errno.EPERM) from None
    pairs = (entry.partition(b"=") for entry in content.split(b"\0") if entry)
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, _, value in pairs}


@hookimpl
def bourn_uri_resolvers() -> Iterable[UriResolver]:
    """Register `pid`."""
    yield UriResolver("pid", from_pid, "the instance of a process, or the one that a broker serves")
