"""The words encoding of job ids: pronounceable, for reading out over the phone (RFC 19, mnemonicode)."""

from __future__ import annotations

from bourn.model.mnemonic_words import WORDS

# Three words stand for 32 bits, the low half of the id first. The last seven words of the list are only for
# data of other sizes.
_BASE = 1626
_VALUES = {word: value for value, word in enumerate(WORDS[:_BASE])}


def encode_words(value: int) -> str:
    """Return the six words of a job id, as `reform-remote-galileo--heart-package-academy`."""
    return "--".join(_half(value >> shift & 0xFFFFFFFF) for shift in (0, 32))


def decode_words(text: str) -> int:
    """Return the job id that six words stand for; KeyError or ValueError when they don't."""
    words = [word for word in text.lower().split("-") if word]
    if len(words) != 6:
        raise ValueError("an id has six words")
    low, high = _value(words[:3]), _value(words[3:])
    if low >> 32 or high >> 32:
        raise ValueError("more than 64 bits")
    return high << 32 | low


def _half(value: int) -> str:
    value, first = divmod(value, _BASE)
    third, second = divmod(value, _BASE)
    return f"{WORDS[first]}-{WORDS[second]}-{WORDS[third]}"


def _value(words: list[str]) -> int:
    value = 0
    for word in reversed(words):
        value = value * _BASE + _VALUES[word]
    return value
