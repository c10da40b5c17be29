"""Service `config`: the instance's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from bourn.broker.builtins.base import Builtin
from bourn.broker.configsync import Distribution, digest, pack, unpack
from bourn.broker.module import ANYONE, LATER, method
from bourn.config import Config
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.broker import Broker
    from bourn.broker.context import ModuleContext
    from bourn.broker.request import Later, Request


class ConfigModule(Builtin):
    """Gives out the configuration and reads it anew. Changes are rank 0's, who passes them on."""

    def __init__(self, ctx: ModuleContext, *, broker: Broker) -> None:
        super().__init__(ctx, broker=broker)
        self._distribution = Distribution(broker)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """On rank 0 watch for ranks that come back."""
        if not self.broker.rank:
            self.broker.watchers.append(self._census_changed)
        task_status.started()
        await trio.sleep_forever()

    @method(allow=ANYONE)
    def get(self, request: Request) -> dict[str, object]:
        """`{key?}` (`table.key`) -> `{config}`, all of it by default; null where there is no such key."""
        value: object = self.broker.config.raw
        key = request.get("key", str, "")
        for part in filter(None, key.split(".")):
            value = value.get(part) if isinstance(value, dict) else None
        return {"config": value}

    @method()
    def reload(self, request: Request) -> Later:
        """Read rank 0's files anew and have all ranks take them; an error leaves the old configuration."""
        if not self._is_for_rank_0(request):
            self.ctx.nursery.start_soon(self._spread, request, self.broker.read_config())
        return LATER

    @method()
    def load(self, request: Request) -> Later:
        """`{toml, name?}`: have all ranks take this configuration; an error leaves the old one."""
        if not self._is_for_rank_0(request):
            from bourn.config.loading import parse_text

            source = parse_text(request.get("name", str, "configuration"), request.get("toml", str))
            self.ctx.nursery.start_soon(self._spread, request, Config(sources=[source]))
        return LATER

    @method()
    def take(self, request: Request) -> None:
        """`{toml}`: what rank 0 tells the others."""
        self.broker.adopt(unpack(request.get("toml", str)))

    @method()
    def sync(self, request: Request) -> dict[str, object]:
        """`{digest}` -> `{toml?}`: the configuration, if it isn't the one that the asking rank has."""
        raw = self.broker.config.raw
        return {} if request.get("digest", str) == digest(raw) else {"toml": pack(raw)}

    def _is_for_rank_0(self, request: Request) -> bool:
        if self.broker.rank:
            request.nodeid = 0
            self.broker.send(request)
        return bool(self.broker.rank)

    async def _spread(self, request: Request, config: Config) -> None:
        try:
            await self._distribution.spread(config)
        except BournError as error:
            request.error(error.errnum, error.message)
        else:
            request.respond()

    def _census_changed(self) -> None:
        if self._distribution.returned(self.broker.online):
            self.ctx.nursery.start_soon(self._distribution.catch_up)
