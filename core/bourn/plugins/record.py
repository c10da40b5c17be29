"""What is known about a plugin: whose it is, whether it works, and if not, why."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import Factory, define, field

__all__ = ["PluginRecord", "PluginState"]


class PluginState(StrEnum):
    """What became of a plugin."""

    LOADED = "loaded"
    """It is in use."""
    BLOCKED = "blocked"
    """``[plugins] disable`` names it."""
    INCOMPATIBLE = "incompatible"
    """Its distribution needs another version of Bourn; it wasn't imported."""
    IMPORT_ERROR = "import-error"
    """Its import failed."""
    INVALID = "invalid"
    """It was imported, and isn't a plugin: an unknown hook, wrong arguments, or no hook at all."""
    DUPLICATE = "duplicate"
    """Another plugin has its name, or is the same object."""


@define(eq=False)
class PluginRecord:
    """One plugin; there is one record for each entry point, whatever became of it."""

    name: str
    group: str
    value: str
    """Where its code is: ``package.module`` or ``package.module:attribute``."""
    distribution: str
    version: str
    state: PluginState = PluginState.LOADED
    reason: str = ""
    """Why the state isn't `LOADED`."""
    hooks: tuple[str, ...] = ()
    """The hooks that it implements."""
    errors: list[str] = Factory(list)
    """What went wrong since it was loaded: raised when called, or registered what clashes; each told once."""
    provides: dict[str, list[str]] = Factory(dict)
    """By hook, the names of what it registered; filled as the hooks are called."""
    plugin: object = field(default=None, repr=False)

    @property
    def owner(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}"

    def __str__(self) -> str:
        return f"plugin '{self.name}' ({self.owner})"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``bourn plugins --json`` prints."""
        return {
            "name": self.name,
            "group": self.group,
            "value": self.value,
            "distribution": self.distribution,
            "version": self.version,
            "state": str(self.state),
            "reason": self.reason,
            "hooks": list(self.hooks),
            "provides": self.provides,
            "errors": self.errors,
        }
