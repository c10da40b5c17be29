"""Sets of small numbers as bit masks: Python integers."""

from __future__ import annotations


def bits_of(mask: int) -> list[int]:
    """Return the places of the set bits, lowest first."""
    places = []
    while mask:
        low = mask & -mask
        places.append(low.bit_length() - 1)
        mask ^= low
    return places


def lowest(mask: int, count: int) -> int:
    """Return the `count` lowest set bits of a mask that has as many."""
    if mask.bit_count() == count:
        return mask
    taken = 0
    for _ in range(count):
        low = mask & -mask
        taken |= low
        mask ^= low
    return taken
