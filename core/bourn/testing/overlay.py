"""Several brokers in one process, linked by streams in memory: the real overlay without TLS and processes.

async def test_event_reaches_all():
    async with memory_instance(8, topology="kary:2") as instance:
        await instance[7].rpc("event.publish", {"topic": "x"})
"""

from __future__ import annotations

import errno
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import memory_stream_pair

from bourn.broker.attributes import Attributes
from bourn.broker.broker import Broker
from bourn.broker.members import Members
from bourn.broker.overlay.overlay import Overlay
from bourn.broker.overlay.topology import parse_topology
from bourn.broker.settings import TbonTable
from bourn.config import Config
from bourn.errors import BournError
from bourn.plugins import PluginManager
from bourn.testing.broker import MemoryBroker, _quiet_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from bourn.broker.logring import LogRing
    from bourn.broker.overlay.machines import Machine
    from bourn.hookspecs.modules import ModuleSpec

__all__ = ["MemoryInstance", "memory_instance"]


class MemoryNetwork:
    """Connects brokers of this process; `cut` ends all connections that a rank has, `silence` and `part`
    leave callers waiting.
    """

    def __init__(self) -> None:
        self._silent: set[int] = set()
        self._parted: set[frozenset[int]] = set()
        self._servers: dict[int, trio.MemorySendChannel[trio.abc.Stream]] = {}
        self._streams: dict[frozenset[int], list[trio.abc.Stream]] = {}

    def of(self, rank: int) -> _Port:
        """Return the network as a rank sees it."""
        return _Port(self, rank)

    async def connect(self, caller: int, rank: int) -> trio.abc.Stream:
        """Connect a rank with another one."""
        ends = frozenset((caller, rank))
        while self._silent & ends or ends in self._parted:  # noqa: ASYNC110
            await trio.sleep(1)
        server = self._servers.get(rank)
        if server is None:
            raise BournError(f"rank {rank} can't be reached", errno.EHOSTUNREACH)
        ours, theirs = memory_stream_pair()
        self._streams.setdefault(ends, []).extend((ours, theirs))
        await server.send(theirs)
        return ours

    async def cut(self, rank: int) -> None:
        """Break every connection of a rank; nobody can connect to it until it serves again."""
        self._servers.pop(rank, None)
        for ends in [ends for ends in self._streams if rank in ends]:
            await self._break(ends)

    async def silence(self, rank: int) -> None:
        """Cut a rank off as a pulled cable does: who calls it isn't even refused."""
        self._silent.add(rank)
        await self.cut(rank)

    async def part(self, one: int, other: int) -> None:
        """Let nothing through between two ranks, which others reach as before."""
        ends = frozenset((one, other))
        self._parted.add(ends)
        await self._break(ends)

    def restore(self, *ranks: int) -> None:
        """Put the cable back: calls to and from a rank that was silenced get through, or between two that
        were parted.
        """
        self._silent.difference_update(ranks)
        self._parted.discard(frozenset(ranks))

    async def _break(self, ends: frozenset[int]) -> None:
        for stream in self._streams.pop(ends, []):
            await trio.aclose_forcefully(stream)


class _Port:
    """A `Network` for one rank."""

    def __init__(self, network: MemoryNetwork, rank: int) -> None:
        self._network = network
        self._rank = rank

    async def dial(self, rank: int) -> trio.abc.Stream:
        """Connect to a rank."""
        return await self._network.connect(self._rank, rank)

    async def serve(
        self,
        admit: Callable[[trio.abc.Stream, str], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept connections."""
        send, receive = trio.open_memory_channel[trio.abc.Stream](1000)
        self._network._servers[self._rank] = send
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                async for stream in receive:
                    nursery.start_soon(admit, stream, "memory")
        finally:
            self._network._servers.pop(self._rank, None)

    def vouch(self, stream: trio.abc.Stream, rank: int) -> str | None:
        """Everybody here is who he says he is."""
        return None

    def close(self) -> None:
        """Nothing is kept open."""


class MemoryInstance:
    """Running brokers by rank."""

    def __init__(
        self,
        size: int,
        modules: tuple[ModuleSpec, ...],
        config: Mapping[str, Any],
        log: LogRing,
        nursery: trio.Nursery,
        *,
        plugins: PluginManager,
        attrs: Mapping[str, str],
        statedir: Path | None,
    ) -> None:
        self.size = size
        self.network = MemoryNetwork()
        self.machines: dict[int, Machine] = {}
        """What brokers find of their machines, by rank; one that isn't here says nothing of it."""
        self._plugins = plugins
        self._attrs = attrs
        self._statedir = statedir
        self._brokers: dict[int, MemoryBroker] = {}
        self._modules = modules
        self._config = config
        self._log = log
        self._nursery = nursery
        self._gone: dict[int, trio.Event] = {}
        self._lives = 0
        """How often rank 0 was started."""

    def __getitem__(self, rank: int) -> MemoryBroker:
        return self._brokers[rank]

    @property
    def log(self) -> list[str]:
        """What any of the brokers has logged."""
        return [entry["text"] for entry in self._log.entries]

    async def start(self, *ranks: int, instance: str = "i") -> None:
        """Start brokers, all at once, and wait until they are up; `instance`: which they belong to."""
        async with trio.open_nursery() as nursery:
            for rank in ranks:
                nursery.start_soon(self._nursery.start, self._run, rank, instance)

    async def stop(self, rank: int) -> None:
        """Shut a broker down."""
        self[rank].broker.stop("the test says so")
        await self._gone[rank].wait()

    async def kill(self, rank: int) -> None:
        """End a broker that can't tell anybody any more, nor clean up; `start` starts another one there."""
        await self.network.silence(rank)
        self[rank].broker.attrs.set("broker.cleanup", "keep")
        await self.stop(rank)
        self.network.restore(rank)

    async def cut(self, rank: int) -> None:
        """Break all links of a broker, as its death would."""
        await self.network.cut(rank)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true; an error after an hour of the test's clock."""
        with trio.fail_after(3600):
            while not condition():  # noqa: ASYNC110
                await trio.sleep(0.01)

    async def _run(self, rank: int, instance: str, *, task_status: trio.TaskStatus[None]) -> None:
        attrs = Attributes()
        for name, value in (("rank", rank), ("size", self.size), ("hostname", f"n{rank}")):
            attrs.set(name, value, fixed=True)
        for name, value in {"broker.quorum": "1", **self._attrs}.items():
            attrs.set(name, value)
        gone = self._gone[rank] = trio.Event()
        try:
            with tempfile.TemporaryDirectory(prefix="bourn-test-") as folder:
                broker = Broker(
                    config=Config(self._config),
                    plugins=self._plugins,
                    rundir=Path(folder),
                    statedir=None if rank else self._statedir,
                    attrs=attrs,
                    logring=self._log,
                    rank=rank,
                    size=self.size,
                )
                table = broker.config.table("tbon", TbonTable)
                tree = parse_topology(table.topology, self.size)
                hosts = tuple(f"n{rank}" for rank in range(self.size)) if rank == 0 else ()
                self._lives += rank == 0
                broker.become(Members(tree, instance, hosts, (0 if rank else self._lives, 0)))
                broker.overlay = Overlay(broker, self.network.of(rank), table)
                if rank in self.machines:
                    broker.overlay.machines.note(rank, self.machines[rank])
                async with broker.running(self._modules, listen=False):
                    self._brokers[rank] = MemoryBroker(broker)
                    task_status.started()
                    await broker.stopping.wait()
        finally:
            gone.set()

    async def close(self) -> None:
        """Shut the instance down."""
        await self.stop(0)
        for gone in self._gone.values():
            await gone.wait()


@asynccontextmanager
async def memory_instance(
    size: int,
    *modules: ModuleSpec,
    topology: str = "kary:2",
    config: Mapping[str, Any] | None = None,
    plugins: PluginManager | None = None,
    attrs: Mapping[str, str] | None = None,
    machines: Mapping[int, Machine] | None = None,
    statedir: Path | None = None,
) -> AsyncIterator[MemoryInstance]:
    """Run an instance of `size` brokers with these modules until the block ends.

    Args:
        size: how many brokers.
        modules: those to choose from on each rank, as hooks would register them.
        topology: the shape of the tree.
        config: the configuration's tables as in TOML.
        plugins: those of all brokers; by default none.
        attrs: attributes of all brokers.
        machines: what brokers find of their machines. Given these, only their ranks are started.
        statedir: the state directory of rank 0.
    """
    values: dict[str, Any] = dict(config or {})
    values["tbon"] = {"topology": topology, **values.get("tbon", {})}
    with _quiet_log() as log:
        async with trio.open_nursery() as nursery:
            instance = MemoryInstance(
                size,
                modules,
                values,
                log,
                nursery,
                plugins=plugins or PluginManager(),
                attrs=attrs or {},
                statedir=statedir,
            )
            instance.machines.update(machines or {})
            first = sorted(range(size) if machines is None else machines)
            await instance.start(*first)
            await instance.until(lambda: instance[0].broker.online == sum(1 << rank for rank in first))
            yield instance
            await instance.close()
            nursery.cancel_scope.cancel()
