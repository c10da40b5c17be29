"""Our own terminal while we work in a job's: raw, so that every key goes to the job, and put right again."""

from __future__ import annotations

import os
import termios
import tty
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ESCAPE = b"~"
DETACH = b"."


class LocalTerminal:
    """The terminal on standard input, if that is one."""

    def __init__(self) -> None:
        self._saved: list[Any] | None = None
        self._rest = b""
        self._fresh = True
        self.present = os.isatty(0)

    @property
    def raw(self) -> bool:
        """Whether keys go to the job now."""
        return self._saved is not None

    def enter(self) -> None:
        """Hand the keys over."""
        if self.present and self._saved is None:
            self._saved = termios.tcgetattr(0)
            tty.setraw(0)

    def leave(self) -> None:
        """Make it ours again."""
        if self._saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
            self._saved = None

    def typed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what of the keys goes to the job, and whether ~. at the start of a line asked to detach.

        ~~ there stands for one ~.
        """
        out = bytearray()
        for byte in data:
            key = bytes([byte])
            if self._rest:
                self._rest = b""
                if key == DETACH:
                    return bytes(out), True
                if key != ESCAPE:
                    out += ESCAPE
                out += key
            elif self._fresh and key == ESCAPE:
                self._rest = key
                continue
            else:
                out += key
            self._fresh = key in (b"\r", b"\n")
        return bytes(out), False


def window_size() -> tuple[int, int] | None:
    """Return (rows, columns) of our window; None where there is none."""
    for fd in (0, 1, 2):
        try:
            columns, rows = os.get_terminal_size(fd)
        except OSError:
            continue
        if rows and columns:
            return rows, columns
    return None


def is_interactive(jobspec: Mapping[str, Any]) -> bool:
    """Return whether a job is to be worked in: -o pty.interactive."""
    system = (jobspec.get("attributes") or {}).get("system") or {}
    pty = ((system.get("shell") or {}).get("options") or {}).get("pty")
    return isinstance(pty, dict) and pty.get("interactive") in (True, 1, "1", "on", "true", "yes")
