"""Where a person types the commands of `bourn resource-query`: editing, completion, and a history that is
kept for the next session.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bourn_plugins.sched_graph.query.commands import COMMANDS
from bourn_plugins.sched_graph.walk.traverser import Op

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LINES = 1000


def history_file() -> Path:
    """Return where the history is kept, as the XDG base directories have it."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "bourn" / "resource-query.history"


def typed_lines(prompt: str) -> Iterator[str]:
    """Yield lines as they are typed, until the end of input; an interrupt throws a line away."""
    try:
        import readline
    except ImportError:
        yield from _inputs(prompt)
        return
    file = history_file()
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(_MOST_LINES)
    readline.set_completer_delims(" \t\n")
    readline.set_completer(_Completer(readline).complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield from _inputs(prompt)
    finally:
        readline.set_completer(None)
        # A home that can't be written to costs the history, not the session.
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)


def _inputs(prompt: str) -> Iterator[str]:
    while True:
        try:
            yield input(prompt)
        except KeyboardInterrupt:
            print()
        except EOFError:
            print()
            return


class _Completer:
    """Completes a command's name, then what a match does, then files."""

    def __init__(self, readline: Any) -> None:
        self._readline = readline
        self._found: list[str] = []

    def complete(self, text: str, state: int) -> str | None:
        """Return the `state`-th completion of `text`, None after the last."""
        if state == 0:
            before = self._readline.get_line_buffer()[: self._readline.get_begidx()].split()
            self._found = completions(before, text)
        return self._found[state] if state < len(self._found) else None


def completions(before: list[str], text: str) -> list[str]:
    """Return how a word may go on after the words before it."""
    if not before:
        return [f"{each.name} " for each in COMMANDS if each.name.startswith(text)]
    if len(before) == 1 and before[0] in ("match", "m", "multi-match", "M"):
        return [f"{op.value} " for op in Op if op.value.startswith(text)]
    folder, _, start = text.rpartition("/")
    with contextlib.suppress(OSError):
        entries = sorted(os.scandir(folder or ("/" if text.startswith("/") else ".")), key=_name)
        lead = text[: len(text) - len(start)]
        return [
            f"{lead}{entry.name}{'/' if entry.is_dir() else ' '}"
            for entry in entries
            if entry.name.startswith(start)
        ]
    return []


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
