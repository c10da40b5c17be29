"""`Hostlist`, `decode` and `encode`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn import Hostlist

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Hostlist", "decode", "encode"]


def decode(text: str) -> Hostlist:
    """Return the hosts of a hostlist."""
    return Hostlist(text)


def encode(hosts: Iterable[str]) -> str:
    """Return hosts as a hostlist."""
    return str(Hostlist(hosts))
