"""A broker that rank 0 has started by ssh: its standard input and output are the channel to rank 0."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.star import meet_root
from bourn_plugins.boot_ssh.far import MARK

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bourn.broker.broker import Broker
    from bourn.errors import BournError


class Member:
    """Its part."""

    def __init__(self, rank: int, size: int, instance: str, timeout: float) -> None:
        self.rank = rank
        self.size = size
        self._timeout = timeout
        self.attributes: Mapping[str, str] = {"boot.together": "1", "instance-id": instance}
        # What else reads or writes these two, programs that it starts, mustn't disturb the channel.
        self._in, self._out = os.dup(0), os.dup(1)
        with open(os.devnull) as null:
            os.dup2(null.fileno(), 0)
        os.dup2(2, 1)
        self._stream: trio.StapledStream[Any, Any] | None = None

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Send rank 0 this rank's card; receive those that are wanted."""
        out, into = trio.lowlevel.FdStream(self._out), trio.lowlevel.FdStream(self._in)
        self._stream = trio.StapledStream(out, into)
        with suppress(trio.BrokenResourceError):  # that rank 0 has gone, `meet_root` finds out as well
            await out.send_all(MARK)
        return await meet_root(self._stream, card, wanted, self._timeout)

    async def watch(self, broker: Broker) -> None:
        """Stop the broker when rank 0 has gone."""
        assert self._stream is not None
        with suppress(trio.BrokenResourceError):
            await self._stream.receive_some(1)
        if broker.overlay is not None:
            broker.overlay.ending = True
        broker.stop("rank 0 has gone")

    async def close(self, error: BournError | None = None) -> None:
        """Nothing to tell: the channel ends with the process."""
