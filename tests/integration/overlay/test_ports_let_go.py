"""The port that a broker listens at for others is let go of, whenever and however the broker ends."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio

from bourn.broker.boot import build_overlay
from bourn.broker.launch import linked
from bourn.errors import BournError, RPCError
from bourn.testing.broker import memory_broker

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LOOPBACK = {"tbon": {"interface": "lo"}}


def listens(card: Mapping[str, Any]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((card["host"], card["port"])) == 0


class Session:
    """Rank 0 of 2; what comes of the exchange of cards is up to the test."""

    rank, size = 0, 2

    def __init__(self, outcome: BournError | Mapping[int, Any] | None = None) -> None:
        self.attributes: Mapping[str, str] = {"instance-id": "i"}
        self.card: Mapping[str, Any] = {}
        self.begun = trio.Event()
        self.outcome = outcome

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        self.card = card
        self.begun.set()
        assert listens(card)
        if isinstance(self.outcome, BournError):
            raise self.outcome
        if self.outcome is not None:
            return self.outcome
        await trio.sleep_forever()
        raise AssertionError

    async def close(self, error: BournError | None = None) -> None:
        pass


def test_of_a_broker_that_ends_while_cards_are_exchanged() -> None:
    async def main() -> None:
        async with memory_broker(config=LOOPBACK, attrs={"hostname": "h"}) as memory:
            failing = Session(BournError("rank 1 is missing"))
            with pytest.RaisesGroup(pytest.RaisesExc(BournError, match="rank 1 is missing")):
                await build_overlay(memory.broker, failing)
            assert not listens(failing.card)
            stopped = Session()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_stop, memory.broker, stopped)
                with pytest.raises(BournError, match="stopped before all brokers were up"):
                    async with linked(memory.broker, stopped, None):
                        raise AssertionError
            assert not listens(stopped.card)
            met = Session({1: {"rank": 1, "hostname": "i", "cert": ""}})
            with pytest.raises(BournError, match="a module can't start"):
                async with linked(memory.broker, met, None):
                    raise BournError("a module can't start")
            assert not listens(met.card)

    trio.run(main)


async def _stop(broker: Any, session: Session) -> None:
    await session.begun.wait()
    broker.stop("the test says so")


def test_of_a_broker_that_gets_an_overlay_while_it_runs() -> None:
    async def main() -> None:
        async with memory_broker(config=LOOPBACK, attrs={"hostname": "h"}) as memory:
            root = (await memory.rpc("overlay.invite"))["root"]
            assert listens(root)
            assert (await memory.rpc("overlay.invite"))["root"] == root
        assert not listens(root)

    trio.run(main)


@pytest.mark.parametrize("turns", range(6))
def test_of_a_broker_that_ends_while_it_gets_an_overlay(turns: int) -> None:
    async def main() -> None:
        found: dict[str, Any] = {}

        async def ask(memory: Any) -> None:
            try:
                found.update(await memory.rpc("overlay.invite"))
            except RPCError:
                found.setdefault("root", None)

        async with trio.open_nursery() as nursery:
            async with memory_broker(config=LOOPBACK, attrs={"hostname": "h"}) as memory:
                nursery.start_soon(ask, memory)
                await memory.turns(turns)
            overlay = memory.broker.overlay
        assert overlay is None or overlay.network._listener is None  # type: ignore[attr-defined]
        assert not found["root"] or not listens(found["root"])

    trio.run(main)
