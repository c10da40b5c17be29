"""The configuration of an instance of several brokers: rank 0 has it, the others get it from there."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.growth import plan
from bourn.config import Config
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.broker.broker import Broker

log = logging.getLogger("bourn.broker")

ANSWER_SECONDS = 10.0
"""How long a rank may take to answer; one that doesn't gets the configuration when it is back."""


def digest(raw: Mapping[str, Any]) -> str:
    """Return what tells configurations apart."""
    text = json.dumps(raw, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def pack(raw: Mapping[str, Any]) -> str:
    """Return a configuration as TOML: JSON has no infinity and no dates."""
    import tomli_w

    return tomli_w.dumps(raw)


def unpack(text: str) -> Config:
    """Return the configuration that `pack` wrote; BournError if it's something else."""
    import tomllib

    try:
        return Config(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BournError(f"toml: {error}") from None


async def fetch(broker: Broker) -> None:
    """Have a broker that starts take rank 0's configuration, if that isn't its own."""
    reply = await broker.rpc("config.sync", {"digest": digest(broker.config.raw)}, nodeid=0)
    if reply.get("toml") is not None:
        try:
            broker.adopt(unpack(reply["toml"]))
        except BournError as error:
            raise BournError(f"rank 0's configuration: {error.message}", error.errnum) from None
        log.info("took the configuration of rank 0")


class Distribution:
    """Rank 0's part: passes a new configuration on, and remembers who hasn't got it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._behind: set[int] = set()
        self._lock = trio.Lock()

    async def spread(self, config: Config) -> None:
        """Have all ranks take a configuration, and the instance get the brokers that it names. If one
        refuses, all go back to the old one, and BournError says which and why.
        """
        async with self._lock:
            broker = self._broker
            before, grow = broker.config, plan(broker, config)
            broker.adopt(config)
            others = [rank for rank in broker.members.ranks if rank and broker.online >> rank & 1]
            self._behind = {*broker.members.ranks} - {0, *others}
            refused = await self._tell(others, config)
            reasons = "; ".join(f"rank {rank}: {text}" for rank, text in sorted(refused.items()))
            if grow is not None and not refused:
                try:
                    await grow()
                except BournError as error:
                    reasons = error.message
            if reasons:
                broker.adopt(before)
                await self._tell([rank for rank in others if rank not in refused], before)
                raise BournError(f"{reasons}; all ranks keep the old configuration")

    def returned(self, online: int) -> bool:
        """Say whether a rank that is online lacks the configuration."""
        return any(online >> rank & 1 for rank in self._behind)

    async def catch_up(self) -> None:
        """Give the configuration to those who have come back since."""
        async with self._lock:
            ranks = [rank for rank in self._behind if self._broker.online >> rank & 1]
            self._behind -= set(ranks)
            for rank, text in (await self._tell(ranks, self._broker.config)).items():
                log.error("rank %d refuses the configuration: %s", rank, text)

    async def _tell(self, ranks: Iterable[int], config: Config) -> dict[int, str]:
        """Send a configuration to ranks; return who refused it, and why."""
        ranks = list(ranks)
        refused: dict[int, str] = {}
        if not ranks:
            return refused
        payload = {"toml": pack(config.raw)}

        async def one(rank: int) -> None:
            with trio.move_on_after(ANSWER_SECONDS) as limit:
                try:
                    await self._broker.rpc("config.take", payload, nodeid=rank)
                except RPCError as error:
                    if self._broker.online >> rank & 1:
                        refused[rank] = error.message
                    else:
                        self._behind.add(rank)
            if limit.cancelled_caught:
                log.warning("rank %d doesn't answer; it gets the configuration when it is back", rank)
                self._behind.add(rank)

        async with trio.open_nursery() as nursery:
            for rank in ranks:
                nursery.start_soon(one, rank)
        return refused
