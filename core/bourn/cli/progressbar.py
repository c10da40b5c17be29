"""The bar of `--progress`: how many jobs wait, run, ended well and failed. rich is imported with this
module.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from bourn.client.progress import ProgressTable


class ProgressBar:
    """Draws a table's counts on standard error, ten times a second at most."""

    def __init__(self, table: ProgressTable, jps: bool) -> None:
        self._table = table
        self._jps = jps
        self._start = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>5.1f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[rate]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=len(table.jobs), rate="")
        self._progress.start()
        self.update()

    def update(self) -> None:
        """Show the counts as they are now."""
        table = self._table
        done = table.completed + table.failed
        rate = f"{done / max(time.monotonic() - self._start, 1e-3):.1f} job/s" if self._jps else ""
        text = f"PD:{table.pending:<4} R:{table.running:<4} CD:{table.completed:<4} F:{table.failed:<4}"
        self._progress.update(self._task, description=text, completed=done, rate=rate)

    def print(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.update()
        self._progress.stop()
