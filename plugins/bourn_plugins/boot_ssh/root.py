"""Rank 0 of brokers that it starts by ssh."""

from __future__ import annotations

import json
import logging
import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.star import Gone, Missing, meet_members
from bourn.errors import BournError
from bourn.hookspecs.boot import LAUNCHER
from bourn_plugins.boot_ssh.far import Far

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bourn.broker.broker import Broker

log = logging.getLogger("bourn.broker")

MORE_SECONDS = 1.0
"""How long to wait, when a host has failed, for others that fail as well: they are named together."""
NAMED = 8
"""How many hosts are named at most."""


class Root:
    """Rank 0's part: this host, and one broker more on each of `hosts`."""

    rank = 0

    def __init__(
        self, hosts: Sequence[str], ssh: Sequence[str], conf: Mapping[str, Any], timeout: float
    ) -> None:
        self.size = len(hosts) + 1
        instance = os.urandom(16).hex()
        self.attributes: Mapping[str, str] = {"boot.together": "1", "instance-id": instance}
        self._hosts = hosts
        self._commands = [
            [*ssh, host, member_command(f"{rank}:{self.size}:{instance}", conf, timeout)]
            for rank, host in enumerate(hosts, start=1)
        ]
        self._timeout = timeout
        self._far: dict[int, Far] = {}

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Start the others, collect their cards and give each those that it wants."""
        try:
            for rank, command in enumerate(self._commands, start=1):
                self._far[rank] = Far(self._hosts[rank - 1], command)
            async with trio.open_nursery() as nursery:
                for far in self._far.values():
                    nursery.start_soon(far.listen)
                found = await self._meet(card, wanted)
                nursery.cancel_scope.cancel()
            return found
        except BaseException:
            self._kill()
            raise

    async def watch(self, broker: Broker) -> None:
        """Note the end of brokers, and what they say; one that ends before it was ever online ends the
        instance.
        """
        async with trio.open_nursery() as nursery:
            for rank in self._far:
                nursery.start_soon(self._follow, rank, broker)

    async def close(self, error: BournError | None = None) -> None:
        """Where this broker can't start, end those that were started."""
        if error is not None:
            self._kill()

    def _kill(self) -> None:
        for far in self._far.values():
            far.kill()

    async def _meet(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        streams = {rank: far.stream for rank, far in self._far.items()}
        try:
            return await meet_members(streams, card, wanted, self._timeout)
        except Gone as error:
            await trio.sleep(MORE_SECONDS)
            failed = [
                far.failure()
                for rank, far in self._far.items()
                if rank == error.rank or far.process.poll() is not None
            ]
            more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
            raise BournError(f"no broker could be started on {'; '.join(failed[:NAMED])}{more}") from None
        except Missing as error:
            hosts = ", ".join(f"'{self._hosts[rank - 1]}'" for rank in error.ranks)
            raise BournError(f"{error.message}: host {hosts}", error.errnum) from None

    async def _follow(self, rank: int, broker: Broker) -> None:
        seen = False
        far = self._far[rank]

        def look() -> None:
            nonlocal seen
            if not seen and broker.online >> rank & 1:
                seen = True
                far.is_up()

        assert broker.overlay is not None
        broker.overlay.watchers.append(look)
        look()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(far.listen)
            status = await far.ended()
            nursery.cancel_scope.cancel()
        if not seen:
            broker.stop(f"the broker of {far.failure()} ended before it came up")
        elif status and not broker.stopping.is_set():
            log.warning("the broker of host '%s' (rank %d) ended with status %d", far.host, rank, status)


def member_command(member: str, conf: Mapping[str, Any], timeout: float) -> str:
    """Return the command line, for another host's shell, that starts a broker with this configuration."""
    words = [
        "env",
        f"{LAUNCHER}=ssh-member:{member}",
        "bourn",
        "start",
        f"--conf=bootstrap.timeout={timeout}",
    ]
    for name, table in conf.items():
        if name != "bootstrap":
            words.append(f"--conf={json.dumps(name)}={_toml(table)}")
    return shlex.join(words)


def _toml(value: Any) -> str:
    """Return a value as it stands after a TOML key, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, float):
        return repr(value)
    with suppress(TypeError):
        return json.dumps(value)
    return str(value)
