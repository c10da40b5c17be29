"""Rank 0 of brokers that it starts by ssh."""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.star import Gone, meet_members
from bourn.errors import BournError
from bourn_plugins.boot_ssh.member import MEMBER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bourn.broker.broker import Broker

log = logging.getLogger("bourn.broker")


class Root:
    """Rank 0's part: this host, and one broker more on each of `hosts`."""

    rank = 0

    def __init__(self, hosts: Sequence[str], ssh: Sequence[str], conf: Mapping[str, Any]) -> None:
        self.size = len(hosts) + 1
        instance = os.urandom(16).hex()
        self.attributes: Mapping[str, str] = {"boot.together": "1", "instance-id": instance}
        self._hosts = hosts
        self._commands = [
            [*ssh, host, member_command(f"{rank}:{self.size}:{instance}", conf)]
            for rank, host in enumerate(hosts, start=1)
        ]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Start the others, collect their cards and give each those that it wants."""
        streams: dict[int, trio.abc.Stream] = {}
        for rank, command in enumerate(self._commands, start=1):
            streams[rank] = self._start(rank, command)
        try:
            return await meet_members(streams, card, wanted)
        except Gone as error:
            status = self._processes[error.rank].wait()
            host = self._hosts[error.rank - 1]
            raise BournError(f"no broker could be started on host '{host}' (status {status})") from None

    async def watch(self, broker: Broker) -> None:
        """Note the end of brokers; one that ends before it was ever online ends the instance."""
        async with trio.open_nursery() as nursery:
            for rank in self._processes:
                nursery.start_soon(self._wait_for, rank, broker)

    async def close(self, error: BournError | None = None) -> None:
        """Where this broker can't start, end those that were started."""
        if error is not None:
            for process in self._processes.values():
                process.kill()
                process.wait()

    def _start(self, rank: int, command: Sequence[str]) -> trio.abc.Stream:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise BournError(f"{command[0]}: {error.strerror} ([bootstrap] ssh names the command)") from None
        self._processes[rank] = process
        assert process.stdin is not None
        assert process.stdout is not None
        return trio.StapledStream(
            trio.lowlevel.FdStream(os.dup(process.stdin.fileno())),
            trio.lowlevel.FdStream(os.dup(process.stdout.fileno())),
        )

    async def _wait_for(self, rank: int, broker: Broker) -> None:
        seen = False

        def look() -> None:
            nonlocal seen
            seen = seen or bool(broker.online >> rank & 1)

        assert broker.overlay is not None
        broker.overlay.watchers.append(look)
        process = self._processes[rank]
        fd = os.pidfd_open(process.pid)
        try:
            await trio.lowlevel.wait_readable(fd)
        finally:
            os.close(fd)
        status = process.wait()
        host = self._hosts[rank - 1]
        if not seen:
            broker.stop(f"the broker of host '{host}' ended before it came up (status {status})")
        elif status and not broker.stopping.is_set():
            log.warning("the broker of host '%s' (rank %d) ended with status %d", host, rank, status)


def member_command(member: str, conf: Mapping[str, Any]) -> str:
    """Return the command line, for another host's shell, that starts a broker with this configuration."""
    words = ["env", f"{MEMBER}={member}", "bourn", "start"]
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
