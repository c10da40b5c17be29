"""A broker in memory, for tests of modules: real routing and module host, no socket, no process.

async def test_greeter():
    async with memory_broker(ModuleSpec("greeter", Greeter)) as broker:
        assert await broker.rpc("greeter.hello") == {"text": "hello"}
        async with broker.client(userid=1001, rolemask=Role.USER) as guest:
            ...
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trio.lowlevel import checkpoint
from trio.testing import memory_stream_pair

from bourn.broker.attributes import Attributes
from bourn.broker.broker import Broker
from bourn.broker.context import ModuleContext
from bourn.broker.logring import LogRing
from bourn.broker.roles import OWNER_HERE
from bourn.client.aio import Handle
from bourn.config import Config
from bourn.plugins import PluginManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from bourn.hookspecs.modules import ModuleSpec

__all__ = ["MemoryBroker", "memory_broker"]


class MemoryBroker:
    """A running broker, with `rpc`, `stream`, `post` and `publish` as the instance's owner."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.ctx = ModuleContext(broker, "test")
        self.rpc = self.ctx.rpc
        self.stream = self.ctx.stream
        self.post = self.ctx.post
        self.publish = self.ctx.publish

    def provider(self, service: str) -> Any:
        """Return the live module that provides a service."""
        return self.ctx.provider(service)

    @property
    def log(self) -> list[str]:
        """The texts that have been logged."""
        ring = self.broker.logring
        return [entry["text"] for entry in ring.entries] if ring is not None else []

    @asynccontextmanager
    async def client(self, userid: int | None = None, rolemask: int = OWNER_HERE) -> AsyncIterator[Handle]:
        """Connect a client by a stream in memory, with any credentials; by default the owner's."""
        ours, theirs = memory_stream_pair()
        self.broker.connector.attach(ours, self.broker.owner if userid is None else userid, int(rolemask))
        async with Handle(stream=theirs) as handle:
            yield handle

    async def turns(self, count: int = 5) -> None:
        """Let turns of the loop go by, so that what was put off to the end of one has happened."""
        for _ in range(count):
            await checkpoint()


@asynccontextmanager
async def memory_broker(
    *modules: ModuleSpec,
    config: Mapping[str, Any] | None = None,
    attrs: Mapping[str, str] | None = None,
    plugins: PluginManager | None = None,
    statedir: Path | None = None,
    size: int = 1,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[MemoryBroker]:
    """Run a broker with these modules until the block ends.

    Args:
        modules: those to choose from, as hooks would register them.
        config: the configuration's tables as in TOML.
        attrs: more broker attributes.
        plugins: what the modules find in ``ctx.plugins``; nothing by default.
        statedir: what the modules find in ``ctx.statedir``.
        size: how many brokers the instance is said to have.
        clock: what `ModuleContext.now` says; the real time by default.
    """
    values = Attributes()
    for name, value in {"rank": 0, "size": size, "instance-level": 0, **(attrs or {})}.items():
        values.set(name, value)
    with tempfile.TemporaryDirectory(prefix="bourn-test-") as folder, _quiet_log() as logring:
        broker = Broker(
            config=Config(config or {}),
            plugins=plugins or PluginManager(),
            rundir=Path(folder),
            statedir=statedir,
            attrs=values,
            logring=logring,
            size=size,
        )
        if clock is not None:
            broker.clock = clock
        async with broker.running(modules, listen=False):
            yield MemoryBroker(broker)


@contextmanager
def _quiet_log() -> Iterator[LogRing]:
    """Keep what is logged in memory, besides where the test's own logging puts it."""
    logring = LogRing(stderr_level=logging.CRITICAL + 1)
    root = logging.getLogger("bourn")
    root.addHandler(logring)
    try:
        yield logring
    finally:
        root.removeHandler(logring)
