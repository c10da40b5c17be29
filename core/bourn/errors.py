"""The errors that Bourn shows to people: one line each, no traceback.

A message names the file, key, job or plugin concerned and says what would be right.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FEW = 12


class BournError(Exception):
    """Anything that goes wrong for a reason that a user can understand.

    `errnum` is the POSIX error number that travels in a response (RFC 6).
    """

    errnum: int = errno.EINVAL

    def __init__(self, message: str, errnum: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if errnum is not None:
            self.errnum = errnum


class ConfigError(BournError):
    """A configuration file, table, key or value is wrong."""


class PluginError(BournError):
    """A plugin can't be loaded, or failed; the message names it and its version."""


class JobspecError(BournError):
    """A field of a jobspec is wrong; `path` is its place, as `resources[0].with[1].count`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class RPCError(BournError):
    """A service answered a request with an error; ENODATA (61) is the end of a stream (RFC 6)."""

    def __init__(self, errnum: int, message: str, topic: str = "") -> None:
        super().__init__(message or errno.errorcode.get(errnum, str(errnum)), errnum)
        self.topic = topic


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or a few of the names there are, to end an error message with."""
    names = sorted(set(known))
    if not names:
        return "; there are none"
    few = names if len(names) <= _FEW else [*names[: _FEW - 1], f"and {len(names) - _FEW + 1} more"]
    return nearest(word, names) or f"; there are: {', '.join(few)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or nothing; for a message that lists the names already."""
    import difflib

    close = difflib.get_close_matches(word, sorted(set(known)), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
