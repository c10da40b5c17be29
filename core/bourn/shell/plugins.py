"""Loads the shell plugins of a host."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bourn.plugins import PluginManager

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.shell import ShellPlugin

GROUP = "bourn.shell_plugins"


def load_plugins(disable: Iterable[str] = ()) -> tuple[list[ShellPlugin], list[tuple[int, str]]]:
    """Return the plugins in calling order, and (logging level, text) for each that can't be used."""
    manager = PluginManager()
    said = _Notes()
    logger = logging.getLogger("bourn.plugins")
    logger.addHandler(said)
    logger.propagate = False
    manager.load(groups=(GROUP,), disable=disable)
    plugins: list[ShellPlugin] = [plugin for _, plugin in manager.collect("bourn_shell_plugins")]
    logger.removeHandler(said)
    return sorted(plugins, key=lambda plugin: -plugin.priority), said.notes


class _Notes(logging.Handler):
    """Keeps what the loader says, for the broker's log."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append((record.levelno, record.getMessage()))
