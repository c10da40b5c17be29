"""A broker with a real socket in a thread of the test's own process, for blocking clients."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.attributes import Attributes
from bourn.broker.broker import Broker
from bourn.broker.logring import LogRing
from bourn.config import Config
from bourn.plugins import PluginManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from bourn.hookspecs.modules import ModuleSpec


class Served:
    """The broker, seen from the thread of the test."""

    def __init__(self, broker: Broker, rundir: Path) -> None:
        self.broker = broker
        self.path = rundir / "local"
        self.uri = f"local://{self.path}"
        self.token: trio.lowlevel.TrioToken

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in the broker's loop."""
        return trio.from_thread.run_sync(function, trio_token=self.token)

    @property
    def log(self) -> list[str]:
        """The texts that have been logged."""
        assert self.broker.logring is not None
        return [entry["text"] for entry in self.broker.logring.entries]


@contextmanager
def served(
    rundir: Path,
    *modules: ModuleSpec,
    config: Mapping[str, Any] | None = None,
    peer_uid: int | None = None,
    owner: int | None = None,
) -> Iterator[Served]:
    """Run a broker until the block ends; `peer_uid` is taken for the user of every client."""
    logring = LogRing(stderr_level=100)
    logring.install()
    attrs = Attributes()
    attrs.set("size", 1, fixed=True)
    attrs.set("broker.pid", os.getpid(), fixed=True)
    broker = Broker(
        config=Config(config or {}),
        plugins=PluginManager(),
        rundir=rundir,
        attrs=attrs,
        logring=logring,
        owner=owner,
    )
    if peer_uid is not None:
        broker.connector._peer_uid = lambda _: peer_uid
    found = Served(broker, rundir)
    up = threading.Event()
    errors: list[BaseException] = []

    async def live() -> None:
        found.token = trio.lowlevel.current_trio_token()
        async with broker.running(modules):
            up.set()
            await broker.stopping.wait()

    def run() -> None:
        try:
            trio.run(live)
        except BaseException as error:
            errors.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=run)
    thread.start()
    up.wait()
    try:
        if not errors:
            yield found
    finally:
        if not errors:
            found.token.run_sync_soon(broker.stop, "the test is over")
        thread.join()
        logring.remove()
        if errors:
            raise errors[0]
