"""A broker in memory, for tests of modules: real routing and module host, no socket, no process.

async def test_greeter():
    async with in_memory_broker([ModuleSpec("greeter", Greeter)]) as broker:
        assert await broker.rpc("greeter.hello") == {"text": "hello"}
        async with broker.client(userid=1001, rolemask=Role.USER) as guest:
            ...
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trio.testing import memory_stream_pair

from bourn.broker.attributes import Attributes
from bourn.broker.broker import Broker
from bourn.broker.logring import LogRing
from bourn.broker.roles import OWNER_HERE
from bourn.client.aio import Handle
from bourn.config import Config
from bourn.plugins import PluginManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from bourn.hookspecs.modules import ModuleSpec

__all__ = ["MemoryBroker", "in_memory_broker"]


class MemoryBroker(Broker):
    """A broker whose clients are connected by streams in memory."""

    @asynccontextmanager
    async def client(self, userid: int | None = None, rolemask: int = OWNER_HERE) -> AsyncIterator[Handle]:
        """Connect a client, with any credentials; by default the owner's."""
        ours, theirs = memory_stream_pair()
        self.connector.attach(ours, self.owner if userid is None else userid, int(rolemask))
        async with Handle(stream=theirs) as handle:
            yield handle


@asynccontextmanager
async def in_memory_broker(
    modules: Iterable[ModuleSpec] = (),
    *,
    config: Mapping[str, Any] | None = None,
    attrs: Mapping[str, str] | None = None,
    plugins: PluginManager | None = None,
    rundir: Path | None = None,
    statedir: Path | None = None,
    rank: int = 0,
    size: int = 1,
) -> AsyncIterator[MemoryBroker]:
    """Bring a broker up to its state `run`, with the given modules, and down after the block.

    Args:
        modules: those to choose from, as hooks would register them.
        config: the configuration's tables as nested dicts, keys as in TOML.
        attrs: more broker attributes.
        plugins: by default a manager that has loaded nothing.
        rundir: by default a temporary directory.
    """
    with tempfile.TemporaryDirectory(prefix="bourn-test-") as temporary:
        values = Attributes()
        for name, value in {"rank": rank, "size": size, "instance-level": 0, **(attrs or {})}.items():
            values.set(name, value)
        logring = LogRing(rank, stderr_level=logging.CRITICAL + 1)
        root = logging.getLogger("bourn")
        root.addHandler(logring)
        try:
            broker = MemoryBroker(
                config=Config(dict(config or {})),
                plugins=plugins if plugins is not None else PluginManager(),
                rundir=rundir or Path(temporary),
                statedir=statedir,
                attrs=values,
                logring=logring,
                rank=rank,
                size=size,
            )
            async with broker.running(modules, listen=False):
                yield broker
        finally:
            root.removeHandler(logring)
