"""Loads the shell plugins of a host."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn.hookspecs.shell import ShellPlugin

GROUP = "bourn.shell_plugins"


def load_plugins() -> tuple[list[ShellPlugin], list[tuple[int, str]]]:
    """Return the plugins in calling order, and (logging level, text) for what couldn't be loaded."""
    from importlib.metadata import entry_points

    plugins: dict[str, ShellPlugin] = {}
    problems: list[tuple[int, str]] = []
    stock_first = sorted(
        entry_points(group=GROUP), key=lambda e: (not e.value.startswith("bourn_shell_plugins."), e.name)
    )
    for entry in stock_first:
        try:
            for plugin in entry.load().bourn_shell_plugins():
                if plugin.name in plugins:
                    raise ValueError(f"there already is a shell plugin '{plugin.name}'")
                plugins[plugin.name] = plugin
        except (Exception, SystemExit) as error:
            owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
            problems.append(
                (logging.ERROR, f"shell plugin {entry.name} ({owner}): {type(error).__name__}: {error}")
            )
    return sorted(plugins.values(), key=lambda plugin: -plugin.priority), problems
