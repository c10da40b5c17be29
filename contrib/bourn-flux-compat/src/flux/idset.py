"""`IDset`, `decode` and `encode`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn import IdSet as IDset

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["IDset", "decode", "encode"]


def decode(text: str) -> IDset:
    """Return the ids of an idset."""
    return IDset(text)


def encode(ids: Iterable[int]) -> str:
    """Return ids as an idset."""
    return str(IDset(ids))
