"""Cards exchanged over a stream from each broker to rank 0, where one process has started all of them."""

from __future__ import annotations

import errno
import json
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    Cards = Mapping[int, Mapping[str, Any]]

_LENGTH = struct.Struct(">I")


async def meet_root(
    stream: trio.abc.Stream, card: Mapping[str, Any], wanted: Collection[int], seconds: float
) -> Cards:
    """Send rank 0 this rank's card, and whose it wants; receive those, which may take `seconds`."""
    with trio.move_on_after(seconds):
        try:
            await _send(stream, [card, list(wanted)])
        except trio.BrokenResourceError:
            raise RootGone from None
        found = await _receive(stream)
        if found is None:
            raise RootGone
        return {int(rank): card for rank, card in found.items()}
    raise BournError(f"rank 0 hasn't sent the others' cards within {seconds:g} s ([bootstrap] timeout)")


async def meet_members(
    streams: Mapping[int, trio.abc.Stream], card: Mapping[str, Any], wanted: Collection[int], seconds: float
) -> Cards:
    """Collect the cards of all, on rank 0, within `seconds`, and give each those that it wants.

    Raises BournError, with `Gone` for a rank whose stream ended.
    """
    cards: dict[int, Mapping[str, Any]] = {0: card}
    wants: dict[int, list[int]] = {}

    async def collect(rank: int) -> None:
        found = await _receive(streams[rank])
        if found is None:
            raise Gone(rank)
        if isinstance(found, str):
            raise BournError(f"rank {rank}: {found}")
        cards[rank], wants[rank] = found

    with trio.move_on_after(seconds):
        try:
            async with trio.open_nursery() as nursery:
                for rank in streams:
                    nursery.start_soon(collect, rank)
        except* BournError as group:
            raise group.exceptions[0] from None
    missing = IdSet(streams) - IdSet(cards)
    if missing:
        raise Missing(missing, seconds)
    for rank, stream in streams.items():
        with suppress(trio.BrokenResourceError):
            await _send(stream, {str(other): cards[other] for other in wants[rank]})
    return {other: cards[other] for other in wanted}


class Missing(BournError):
    """Ranks have said nothing in time."""

    def __init__(self, ranks: IdSet, timeout: float) -> None:
        super().__init__(
            f"rank {ranks} hasn't come within {timeout:g} s ([bootstrap] timeout)", errno.ETIMEDOUT
        )
        self.ranks = ranks


class RootGone(BournError):
    """Rank 0 ended before it had sent the cards."""

    def __init__(self) -> None:
        super().__init__("rank 0 ended before this rank came up")


class Gone(BournError):
    """A rank ended before it had sent its card."""

    def __init__(self, rank: int) -> None:
        super().__init__(f"rank {rank} ended before it came up")
        self.rank = rank


def last_words(error: str) -> bytes:
    """Return what a rank that can't start sends, instead of its card or after it."""
    body = json.dumps(error).encode()
    return _LENGTH.pack(len(body)) + body


def read_last_words(data: bytes) -> str:
    """Return what `last_words` made; "" where it is something else, or nothing."""
    with suppress(ValueError, struct.error):
        found = json.loads(data[4 : 4 + int(_LENGTH.unpack_from(data)[0])])
        return found if isinstance(found, str) else ""
    return ""


async def _send(stream: trio.abc.SendStream, value: object) -> None:
    body = json.dumps(value).encode()
    await stream.send_all(_LENGTH.pack(len(body)) + body)


async def _receive(stream: trio.abc.ReceiveStream) -> Any:
    """Return what the other side sent, or None where it has gone."""
    data, need = bytearray(), 4
    while len(data) < need:
        try:
            more = await stream.receive_some(65536)
        except trio.BrokenResourceError:
            return None
        if not more:
            return None
        data += more
        if len(data) >= 4:
            need = 4 + int(_LENGTH.unpack_from(data)[0])
    return json.loads(data[4:])
