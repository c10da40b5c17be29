"""Service `config`: the instance's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.broker.builtins.base import Builtin
from bourn.broker.module import ANYONE, method

if TYPE_CHECKING:
    from bourn.broker.request import Request


class ConfigModule(Builtin):
    """Gives out the configuration and reads it anew."""

    @method(allow=ANYONE)
    def get(self, request: Request) -> dict[str, object]:
        """`{key?}` (`table.key`) -> `{config}`, all of it by default; null where there is no such key."""
        value: object = self.broker.config.raw
        key = request.get("key", str, "")
        for part in filter(None, key.split(".")):
            value = value.get(part) if isinstance(value, dict) else None
        return {"config": value}

    @method()
    def reload(self, request: Request) -> None:
        """Read the files anew and tell the modules; an error leaves the old configuration in place."""
        self.broker.reload_config()
