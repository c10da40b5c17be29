"""Plugins: which are installed, loading them, and calling their hooks.

Importing this package is cheap; `PluginManager` and `PluginRecord` are imported when they are first used. The
command line asks `third_party` first and, mostly, needs nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn._late import late
from bourn.plugins.discovery import EntryPoint, scan, third_party

if TYPE_CHECKING:
    from bourn.plugins.manager import Owned, PluginManager
    from bourn.plugins.record import PluginRecord, PluginState

__all__ = [
    "EntryPoint",
    "Owned",
    "PluginManager",
    "PluginRecord",
    "PluginState",
    "cli_scan",
    "scan",
    "third_party",
]

_LATE = {
    "Owned": "manager",
    "PluginManager": "manager",
    "PluginRecord": "record",
    "PluginState": "record",
}


__getattr__ = late(globals(), _LATE)


def cli_scan() -> list[EntryPoint]:
    """Return the third-party plugins of the command line; empty for most installations, in well under 1
    ms."""
    return third_party("bourn.cli_plugins")
