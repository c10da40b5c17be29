"""What a user, or a site, has set for the command line: named formats.

`$XDG_CONFIG_HOME/bourn/cli.toml` (`~/.config/bourn/cli.toml`) over `/etc/bourn/cli.toml`::

    [jobs.formats]
    mine = "{id.f58:>12} {name:<20.20} {status}"
    default = "{id.dec} {name}"

The tables are named after the commands: `jobs` (for `top` and `pgrep` as well), `queue`, `resource`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

SITE = "/etc/bourn/cli.toml"
COMMANDS = ("jobs", "queue", "resource")


def paths() -> list[str]:
    """Return the files that are read, where they are there; a later one wins."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return [SITE, os.path.join(home, "bourn", "cli.toml")]


def formats(command: str, stock: Mapping[str, str]) -> dict[str, str]:
    """Return the named formats of a command, those of the files over the stock ones."""
    found = dict(stock)
    for path in paths():
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            continue  # there is none, or it isn't for us
        found.update(_formats(path, content).get(command, {}))
    return found


def _formats(path: str, content: bytes) -> dict[str, dict[str, str]]:
    """Return the formats of a file, by command; ConfigError names what is wrong."""
    import tomllib

    try:
        document: dict[str, Any] = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    found = {}
    for command, table in document.items():
        if command not in COMMANDS or not isinstance(table, dict):
            raise ConfigError(f"{path}: [{command}]: unknown table{suggest(command, COMMANDS)}")
        for key, values in table.items():
            if key != "formats" or not isinstance(values, dict):
                raise ConfigError(f"{path}: [{command}.{key}]: unknown table; there is [{command}.formats]")
            for name, text in values.items():
                if not isinstance(text, str) or "{" not in text:
                    raise ConfigError(
                        f"{path}: [{command}.formats] {name}: must be a format such as '{{id}} {{name}}'"
                    )
        found[command] = table.get("formats", {})
    return found
