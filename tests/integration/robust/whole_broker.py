"""A broker in memory with every stock module, as `bourn start` would choose them; jobs are mocked."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bourn.config import Config
from bourn.plugins import PluginManager
from bourn.testing.broker import MemoryBroker, memory_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

CONFIG = {
    "exec": {"method": "mock"},
    "modules": {"store": "store"},
    "store": {"backend": "memory"},
    "resource": {"config": [{"hosts": "node0", "cores": "0-3"}]},
}


@asynccontextmanager
async def whole_broker(
    config: Mapping[str, Any] | None = None, statedir: Path | None = None
) -> AsyncIterator[MemoryBroker]:
    tables = {**CONFIG, **(config or {})}
    plugins = PluginManager()
    plugins.load(Config(tables), groups=("bourn.plugins", "bourn.policies"))
    specs = [spec for _, spec in plugins.collect("bourn_modules")]
    async with memory_broker(*specs, config=tables, plugins=plugins, statedir=statedir) as broker:
        yield broker
