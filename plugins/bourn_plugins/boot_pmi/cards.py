"""Cards as values of a PMI key-value space: short, in one alphabet, cut where a value has a bound."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from bourn_plugins.boot_pmi.wire import Wire

PREFIX = "bourn"
MORE = "+"
"""Ends a value that the next key goes on with; it isn't in the alphabet."""


def pack(card: Mapping[str, Any], bound: int) -> list[str]:
    """Return the values, of at most `bound` bytes each, that stand for a card."""
    data = zlib.compress(json.dumps(card, separators=(",", ":")).encode(), 9)
    text = base64.urlsafe_b64encode(data).decode().rstrip("=")
    step = bound - 1
    if step < 1:
        raise BournError(f"the process manager's values have {bound} bytes at most: too few")
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    return [f"{piece}{MORE}" for piece in pieces[:-1]] + pieces[-1:]


def unpack(values: list[str]) -> dict[str, Any]:
    """Return the card; BournError where the values are none."""
    text = "".join(value.rstrip(MORE) for value in values)
    try:
        card = json.loads(zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    except (ValueError, binascii.Error, zlib.error) as error:
        raise BournError(f"not a broker's card: {error}") from None
    if not isinstance(card, dict):
        raise BournError("not a broker's card")
    return card


def put_card(wire: Wire, rank: int, card: Mapping[str, Any]) -> Generator[bytes, bytes, None]:
    """Offer a rank's card."""
    for number, value in enumerate(pack(card, wire.value_max)):
        yield from wire.put(_key(rank, number), value)


def get_card(wire: Wire, rank: int) -> Generator[bytes, bytes, dict[str, Any]]:
    """Return a rank's card."""
    values: list[str] = []
    while not values or values[-1].endswith(MORE):
        values.append((yield from wire.get(_key(rank, len(values)))))
    return unpack(values)


def _key(rank: int, number: int) -> str:
    return f"{PREFIX}.{rank}.{number}"
