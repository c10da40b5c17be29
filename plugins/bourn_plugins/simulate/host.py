"""What a scheduler module sees of its broker, when there is none."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from bourn.errors import BournError
from bourn.model.idset import mask_text, parse_mask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bourn.config import Config
    from bourn.hookspecs.sched import SchedClient
    from bourn.plugins import PluginManager


class HostContext:
    """As much of `bourn.broker.module.ModuleContext` as a scheduler needs: its configuration, the
    ``resource.acquire`` stream, the job manager, and the end of the turn.
    """

    rank, size, owner = 0, 1, 0
    rundir, statedir = Path("/nonexistent"), None
    nursery: trio.Nursery

    def __init__(
        self,
        name: str,
        config: Config,
        plugins: PluginManager,
        R: dict[str, Any],
        client: SchedClient,
        now: Callable[[], float],
    ) -> None:
        self.name = name
        self.now = now
        self.config = config
        self.plugins = plugins
        self.attrs: dict[str, str] = {}
        self.log = logging.getLogger(f"bourn.{name}")
        self._R = R
        self._client = client
        self._callbacks: dict[Callable[[], None], None] = {}

    def provider(self, service: str) -> SchedClient | None:
        """Return the job manager, which is the simulation; there is no other service."""
        return self._client if service == "job-manager" else None

    def soon(self, callback: Callable[[], None]) -> None:
        """Run a callback once at the end of this instant."""
        self._callbacks[callback] = None

    def turn(self) -> None:
        """End an instant."""
        while self._callbacks:
            callbacks, self._callbacks = self._callbacks, {}
            for callback in callbacks:
                callback()

    @asynccontextmanager
    async def stream(
        self, topic: str, payload: object = None, nodeid: int = -1
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """Answer ``resource.acquire`` with everything, all of it up; nothing changes after that."""
        if topic != "resource.acquire":
            raise BournError(f"{self.name}: there is no {topic} in a simulation")
        yield self._acquire()

    async def _acquire(self) -> AsyncIterator[dict[str, Any]]:
        mask = 0
        for entry in self._R["execution"]["R_lite"]:
            mask |= parse_mask(str(entry["rank"]))
        yield {"resources": self._R, "up": mask_text(mask)}
        await trio.sleep_forever()

    async def rpc(self, topic: str, payload: object = None, nodeid: int = -1) -> Any:
        """Refuse: there is no other service."""
        raise BournError(f"{self.name}: there is no {topic} in a simulation")

    def post(self, topic: str, payload: object = None, nodeid: int = -1) -> None:
        """Log what would go to another service."""
        self.log.warning("%s: %s", topic, payload)

    def publish(self, topic: str, payload: object = None, *, private: bool = False) -> None:
        """Nobody listens."""

    def subscribe(self, prefix: str, callback: Callable[[str, Any], None]) -> None:
        """Nothing is published."""

    def wanted(self, topic: str) -> bool:
        """Nobody wants events."""
        return False
