"""Service `module`: load, remove, reload, list and count the broker's modules."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bourn.broker.builtins.base import Builtin
from bourn.broker.modfile import load_file
from bourn.broker.module import ANYONE, method
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.request import Request


class ModulesModule(Builtin):
    """The module host's service."""

    @method(allow=ANYONE)
    def list(self, request: Request) -> dict[str, Any]:
        """`{all?}` -> `{modules: [{name, state, services, requires, error, messages, uptime, builtin}...]}`.

        With `all` those that could be loaded are there as well, in state `available`.
        """
        found = []
        for live in self.broker.host.live.values():
            stats = live.stats()
            found.append(
                {
                    "name": live.name,
                    "state": live.state,
                    "services": [*live.spec.provides],
                    "requires": [*live.spec.requires],
                    "error": live.reason,
                    "messages": live.messages,
                    "seconds": round(live.seconds, 6),
                    "pending": len(live.pending),
                    "uptime": stats["uptime"],
                    "builtin": live.builtin,
                }
            )
        if request.get("all", bool, False):
            for spec in self.broker.host.available.values():
                if spec.name not in self.broker.host.live:
                    found.append(
                        {
                            "name": spec.name,
                            "state": "available",
                            "services": [*spec.provides],
                            "requires": [*spec.requires],
                            "error": "",
                            "messages": 0,
                            "seconds": 0.0,
                            "pending": 0,
                            "uptime": 0.0,
                            "builtin": False,
                        }
                    )
        return {"modules": found}

    @method()
    async def load(self, request: Request) -> dict[str, str]:
        """`{name}` or `{path}` -> `{name}`; ENOENT, EEXIST, or why the module can't run."""
        host = self.broker.host
        path = request.get("path", str, "")
        if path:
            if not Path(path).is_absolute():
                raise BournError(f"module.load: '{path}' isn't an absolute path")
            live = await host.load_file(partial(load_file, Path(path)))
        else:
            live = await host.load(request.get("name", str))
        return {"name": live.name}

    @method()
    async def remove(self, request: Request) -> None:
        """`{name}`; ENOENT, EPERM for a part of the broker, EBUSY while another module requires it."""
        await self.broker.host.remove(request.get("name", str))

    @method()
    async def reload(self, request: Request) -> None:
        """`{name}`: stop it and what requires it, start them again; a file is read anew."""
        await self.broker.host.reload(request.get("name", str))

    @method(allow=ANYONE, name="stats")
    def module_stats(self, request: Request) -> dict[str, Any]:
        """`{name}` -> its figures."""
        name = request.get("name", str, self.ctx.name)
        live = self.broker.host.live.get(name)
        if live is None:
            from bourn.errors import suggest

            raise BournError(f"no module '{name}' is loaded{suggest(name, self.broker.host.live)}", 2)
        return live.stats()
