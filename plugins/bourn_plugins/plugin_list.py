"""The service `plugins`: what became of each plugin of this broker, for ``bourn plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.broker.module import Module, Request, Role, method
from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


class PluginList(Module):
    """Answers from the plugin manager's records."""

    @method(allow=Role.OWNER | Role.USER)
    def list(self, request: Request) -> dict[str, Any]:
        """Return {plugins: [...]}: each record as `bourn.plugins.PluginRecord.to_dict` gives it."""
        return {"plugins": [record.to_dict() for record in self.ctx.plugins.records]}


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register `plugins`."""
    yield ModuleSpec("plugins", PluginList)
