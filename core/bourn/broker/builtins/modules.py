"""Service `module`: load, remove, reload, list and count the broker's modules."""

from __future__ import annotations

import errno
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bourn.broker.builtins.base import Builtin
from bourn.broker.modfile import load_file
from bourn.broker.module import ANYONE, method
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from bourn.broker.request import Request


class ModulesModule(Builtin):
    """The module host's service."""

    @method(allow=ANYONE)
    def list(self, request: Request) -> dict[str, Any]:
        """`{all?}` -> `{modules: [{name, state, services, requires, error, messages, uptime, builtin}...]}`.

        With `all` those that could be loaded are there as well, in state `available`.
        """
        host = self.broker.host
        rows = [{**live.stats_row(), "builtin": live.builtin} for live in host.live.values()]
        if request.get("all", bool, False):
            idle = [spec for spec in host.available.values() if spec.name not in host.live]
            rows += [{"name": s.name, "state": "available", "services": [*s.provides]} for s in idle]
        return {"modules": rows}

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
            hint = suggest(name, self.broker.host.live)
            raise BournError(f"no module '{name}' is loaded{hint}", errno.ENOENT)
        return live.stats()
