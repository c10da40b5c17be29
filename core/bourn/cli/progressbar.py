"""The bar of `--progress`: how many jobs wait, run, ended well and failed.

On a terminal one line of standard error is drawn again and again, below what is printed meanwhile. Anywhere
else there is one line at the end, without control characters.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn.client.progress import ProgressTable

PACE = 0.1
"""Seconds between two drawings."""
ERASE = "\r\x1b[K"


class ProgressBar:
    """Draws a table's counts."""

    def __init__(self, table: ProgressTable, jps: bool) -> None:
        self._table = table
        self._jps = jps
        self._start = time.monotonic()
        self._drawn = 0.0
        self._visible = False
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.update(force=True)

    def update(self, force: bool = False) -> None:
        """Show the counts as they are now, unless it was a moment ago that they were."""
        now = time.monotonic()
        if self._live and (force or now - self._drawn >= PACE):
            self._drawn = now
            self._visible = True
            self._write(ERASE + self.text(_columns()))

    def hide(self) -> None:
        """Clear the line for something else; `update` draws it again."""
        if self._visible:
            self._visible = False
            self._write(ERASE)

    def print(self, line: str) -> None:
        """Print a line above the bar."""
        self.hide()
        self._write(f"{line}\n")
        self.update(force=True)

    def close(self) -> None:
        """Leave a last line with the counts as they are."""
        self._write(f"{ERASE if self._live else ''}{self.text(_columns() if self._live else 0)}\n")

    def text(self, columns: int) -> str:
        """Return the line; the bar takes the room that is left, none where there is little."""
        table = self._table
        total = len(table.jobs)
        done = table.completed + table.failed
        seconds = time.monotonic() - self._start
        counts = f"PD:{table.pending:<4} R:{table.running:<4} CD:{table.completed:<4} F:{table.failed:<4}"
        tail = f"{100 * done / total if total else 100:5.1f}% {_clock(seconds)}"
        if self._jps:
            tail += f" {done / max(seconds, 1e-3):.1f} job/s"
        room = columns - len(counts) - len(tail) - 5
        if room < 5:
            return f"{counts} {tail}"[: columns - 1 if columns else None]
        full = room * done // total if total else room
        return f"{counts} [{'#' * full}{' ' * (room - full)}] {tail}"

    def _write(self, text: str) -> None:
        with suppress(OSError):  # nobody looks any more
            sys.stderr.write(text)
            sys.stderr.flush()


def _columns() -> int:
    with suppress(OSError):
        return os.get_terminal_size(2).columns
    return 80


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"
