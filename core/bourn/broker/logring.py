"""The broker's log: the last entries in memory for `bourn dmesg`, warnings on standard error as well."""

from __future__ import annotations

import logging
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = ("debug", "info", "warning", "error", "critical")


class LogRing(logging.Handler):
    """Keeps the last `capacity` entries as {timestamp, level, name, rank, text}; at most 64 KiB of text each.

    A traceback goes into an entry of its own key, `traceback`; people are shown the text alone.
    """

    def __init__(self, rank: int = 0, capacity: int = 1024, stderr_level: int = logging.WARNING) -> None:
        super().__init__(logging.DEBUG)
        self.rank = rank
        self.entries: deque[dict[str, Any]] = deque(maxlen=capacity)
        self.stderr_level = stderr_level
        self.followers: list[Callable[[dict[str, Any]], None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take one entry."""
        try:
            text = record.getMessage()[: 64 << 10]
        except (TypeError, ValueError) as error:
            text = f"{record.msg} (bad log arguments: {error})"
        entry: dict[str, Any] = {
            "timestamp": record.created,
            "level": record.levelname.lower(),
            "name": record.name.removeprefix("bourn."),
            "rank": self.rank,
            "text": text,
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["text"] = text = f"{text}: {record.exc_info[0].__name__}: {record.exc_info[1]}"
            entry["traceback"] = logging.Formatter().formatException(record.exc_info)
        self.entries.append(entry)
        for follower in list(self.followers):
            follower(entry)
        if record.levelno >= self.stderr_level:
            with suppress(OSError):  # the terminal may be gone; the ring still has it
                print(f"bourn-broker: {entry['level']}: {entry['name']}: {text}", file=sys.stderr, flush=True)

    def install(self) -> None:
        """Take everything that is logged under `bourn`."""
        root = logging.getLogger("bourn")
        root.addHandler(self)
        root.setLevel(logging.INFO)
        root.propagate = False

    def remove(self) -> None:
        """Undo `install`."""
        root = logging.getLogger("bourn")
        root.removeHandler(self)
        root.propagate = True
