"""Sets of non-negative integers and their text form `0-3,7` (RFC 22), kept as one Python integer of bits."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_ID = 1 << 24
"""Ids from here on are refused: a mask costs a bit an id, and a typing error must not cost gigabytes."""


def mask_ranges(mask: int) -> Iterator[tuple[int, int]]:
    """Yield the (first, last) of each run of set bits, ascending; linear in the width of the mask."""
    bits = bin(mask)[:1:-1]
    start = bits.find("1")
    while start >= 0:
        end = bits.find("0", start)
        if end < 0:
            yield start, len(bits) - 1
            return
        yield start, end - 1
        start = bits.find("1", end)


def mask_text(mask: int) -> str:
    """Return the canonical idset string of a bit mask."""
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in mask_ranges(mask))


def parse_mask(text: str) -> int:
    """Return the bit mask of an idset string; brackets are optional, ids ascend and are unique (RFC 22)."""
    body = text.strip()
    if body.startswith("[") != body.endswith("]"):
        raise _bad(text, "a bracket is missing")
    if body.startswith("["):
        body = body[1:-1]
    if not body:
        return 0
    mask = 0
    last = -1
    for part in body.split(","):
        low, dash, high = part.partition("-")
        first = _parse_id(low, text)
        end = _parse_id(high, text) if dash else first
        if end < first:
            raise _bad(text, f"the range {part} descends")
        if first <= last:
            raise _bad(text, f"{first} follows {last}, but ids are unique and ascend")
        mask |= ((1 << (end - first + 1)) - 1) << first
        last = end
    return mask


def _parse_id(word: str, text: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise _bad(text, f"{word!r} is not a non-negative integer" if word else "an id is missing")
    if len(word) > 1 and word[0] == "0":
        raise _bad(text, f"{word} has leading zeros")
    if len(word) > 9 or (value := int(word)) >= MAX_ID:
        raise _bad(text, f"{word} is over the limit of {MAX_ID - 1}")
    return value


def _bad(text: str, reason: str) -> BournError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return BournError(f"idset {shown!r}: {reason}; right is for example 0-3,7", errno.EINVAL)


class IdSet:
    """An immutable, ordered set of non-negative integers below 2**24 (RFC 22).

    Made from an idset string, an iterable of integers, or another IdSet; `mask` has bit *i* set for id *i*.
    """

    __slots__ = ("_text", "mask")

    mask: int

    def __init__(self, ids: str | Iterable[int] = ()) -> None:
        self._text: str | None = None
        if isinstance(ids, str):
            self.mask = parse_mask(ids)
        elif isinstance(ids, IdSet):
            self.mask = ids.mask
        elif isinstance(ids, range) and ids.step == 1 and ids.start >= 0:
            if ids.stop > MAX_ID:
                raise _bad(f"{ids.start}-{ids.stop - 1}", f"{ids.stop - 1} is over the limit of {MAX_ID - 1}")
            self.mask = ((1 << len(ids)) - 1) << ids.start if ids else 0
        else:
            mask = 0
            for i in ids:
                if not 0 <= i < MAX_ID:
                    raise _bad(str(i), f"an id is from 0 to {MAX_ID - 1}")
                mask |= 1 << i
            self.mask = mask

    @classmethod
    def from_mask(cls, mask: int) -> IdSet:
        """Return the set whose bit mask is `mask` (not negative)."""
        new = cls.__new__(cls)
        new.mask = mask
        new._text = None
        return new

    def __or__(self, other: IdSet) -> IdSet:
        return IdSet.from_mask(self.mask | other.mask)

    def __and__(self, other: IdSet) -> IdSet:
        return IdSet.from_mask(self.mask & other.mask)

    def __sub__(self, other: IdSet) -> IdSet:
        return IdSet.from_mask(self.mask & ~other.mask)

    def __xor__(self, other: IdSet) -> IdSet:
        return IdSet.from_mask(self.mask ^ other.mask)

    def __le__(self, other: IdSet) -> bool:
        return not self.mask & ~other.mask

    def __lt__(self, other: IdSet) -> bool:
        return self.mask != other.mask and self <= other

    def __ge__(self, other: IdSet) -> bool:
        return other <= self

    def __gt__(self, other: IdSet) -> bool:
        return other < self

    def isdisjoint(self, other: IdSet) -> bool:
        """Say whether the two sets share no id."""
        return not self.mask & other.mask

    def __contains__(self, i: object) -> bool:
        return isinstance(i, int) and i >= 0 and bool(self.mask >> i & 1)

    def __len__(self) -> int:
        return self.mask.bit_count()

    def __bool__(self) -> bool:
        return self.mask != 0

    def __iter__(self) -> Iterator[int]:
        for first, last in mask_ranges(self.mask):
            yield from range(first, last + 1)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the (first, last) of each run of consecutive ids."""
        return mask_ranges(self.mask)

    def first(self) -> int:
        """Return the smallest id; ValueError when empty."""
        if not self.mask:
            raise ValueError("an empty idset has no first id")
        return (self.mask & -self.mask).bit_length() - 1

    def last(self) -> int:
        """Return the greatest id; ValueError when empty."""
        if not self.mask:
            raise ValueError("an empty idset has no last id")
        return self.mask.bit_length() - 1

    def take(self, n: int) -> IdSet:
        """Return the `n` smallest ids (all, if there are fewer)."""
        mask = 0
        for first, last in mask_ranges(self.mask):
            if n <= 0:
                break
            size = min(n, last - first + 1)
            mask |= ((1 << size) - 1) << first
            n -= size
        return IdSet.from_mask(mask)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSet) and self.mask == other.mask

    def __hash__(self) -> int:
        return hash(self.mask)

    def __str__(self) -> str:
        if self._text is None:
            self._text = mask_text(self.mask)
        return self._text

    def __repr__(self) -> str:
        return f"IdSet({str(self)!r})"
