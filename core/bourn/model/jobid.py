"""Job ids and their encodings: decimal, hex, dothex, F58, words, emoji (RFC 19). Light to import."""

from __future__ import annotations

from bourn.errors import BournError

_F58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_F58_VALUE = {c: i for i, c in enumerate(_F58)}
_MAX = 1 << 64


def f58_digits(value: int) -> str:
    """Return the base 58 digits, most significant first, without prefix."""
    digits = ""
    while value >= 58:
        value, digit = divmod(value, 58)
        digits = _F58[digit] + digits
    return _F58[value] + digits


MAX_MEMBERS = 1 << 22
"""Members of a job array have numbers below this."""


def member_id(array: int, number: int) -> int:
    """Return the id of a member of a job array: arrays have a block of ids to themselves, after their own.

    An array's id has the sequence number 0 of its millisecond (RFC 19); its members follow, 1,024 in each.
    """
    millis, sequence = divmod(number + 1, 1024)
    return array + (millis << 24) + sequence


def member_number(array: int, member: int) -> int:
    """Return which member of an array a job is."""
    distance = member - array
    return (distance >> 24) * 1024 + (distance & 1023) - 1


def encode_dothex(value: int) -> str:
    """Return sixteen hex digits in four groups, as in `job.<dothex>` keys."""
    digits = f"{value:016x}"
    return f"{digits[:4]}.{digits[4:8]}.{digits[8:12]}.{digits[12:]}"


class JobID(int):
    """A 64 bit FLUID; `str()` is its F58 form, and it compares and hashes as the integer it is."""

    __slots__ = ()

    def __new__(cls, value: int | str = 0) -> JobID:
        """Take an integer, or any encoding."""
        number = _decode(value) if isinstance(value, str) else int(value)
        if not 0 <= number < _MAX:
            raise BournError(f"job id {value!r} is not from 0 to 2**64 - 1")
        return super().__new__(cls, number)

    @classmethod
    def parse(cls, text: str | int) -> JobID:
        """Return the id that `text` encodes in any of the forms; BournError when it is none of them."""
        return cls(text)

    @property
    def dec(self) -> str:
        """Decimal."""
        return int.__repr__(self)

    @property
    def hex(self) -> str:
        """`0x` and hex digits."""
        return f"0x{int(self):x}"

    @property
    def dothex(self) -> str:
        """As `0017.e9fb.8df1.6c2e`."""
        return encode_dothex(self)

    @property
    def kvs(self) -> str:
        """The job's directory in the KVS: `job.` and dothex (RFC 16)."""
        return "job." + encode_dothex(self)

    @property
    def f58(self) -> str:
        """`ƒ` and base 58 digits: what users see."""
        return "ƒ" + f58_digits(self)

    @property
    def f58_ascii(self) -> str:
        """`f` and base 58 digits, for terminals without UTF-8."""
        return "f" + f58_digits(self)

    @property
    def words(self) -> str:
        """Pronounceable words, as `reform-remote-galileo--heart-package-academy`."""
        from bourn.model.mnemonic import encode_words

        return encode_words(self)

    @property
    def emoji(self) -> str:
        """Emoji digits, base 576."""
        from bourn.model.basemoji import encode_emoji

        return encode_emoji(self)

    def encode(self, form: str = "f58") -> str:
        """Return the encoding named `form`: dec, hex, dothex, kvs, f58, words, emoji or f58plain."""
        if form == "f58plain":
            form = "f58_ascii"
        if form not in _FORMS:
            from bourn.errors import suggest

            raise BournError(f"'{form}' is no encoding of a job id{suggest(form, _FORMS)}")
        text: str = getattr(self, form)
        return text

    def __str__(self) -> str:
        return self.f58

    def __repr__(self) -> str:
        return f"JobID({int.__repr__(self)})"

    def __format__(self, spec: str) -> str:
        # Number formats go to the integer; everything else pads the text that users see.
        return int.__format__(self, spec) if spec and spec[-1] in "dxXobn" else str.__format__(self.f58, spec)


_FORMS = ("dec", "hex", "dothex", "kvs", "f58", "f58_ascii", "words", "emoji")


def _decode(text: str) -> int:
    word = text.strip()
    if word[-1:].isdigit() or word[-1:] == "]":
        array, mark, number = word.rstrip("]").rpartition("[" if word[-1] == "]" else ".")
        # `ƒA[7]` or `ƒA.7` is a member of an array; four groups of hex digits are one id.
        if mark and "." not in array and number.isdigit() and array:
            if int(number) >= MAX_MEMBERS:
                raise BournError(f"{text!r}: members of an array have numbers below {MAX_MEMBERS}")
            return member_id(_decode(array), int(number))
    try:
        if "." in word:
            groups = word.removeprefix("job.").split(".")
            if len(groups) != 4 or any(len(g) != 4 or not _all_in(g, _HEX) for g in groups):
                raise ValueError
            return int("".join(groups), 16)
        if "-" in word:
            from bourn.model.mnemonic import decode_words

            return decode_words(word)
        if word[:1] in ("ƒ", "f"):
            value = 0
            for c in word[1:]:
                value = value * 58 + _F58_VALUE[c]
            if len(word) > 1 and value < _MAX:
                return value
            raise ValueError
        if word.encode("utf-8", "replace")[:2] == b"\xf0\x9f":
            from bourn.model.basemoji import decode_emoji

            return decode_emoji(word)
        if word[:2] in ("0x", "0X") and _all_in(word[2:], _HEX):
            value = int(word, 16)
        elif _all_in(word, "0123456789"):
            value = int(word) if len(word) <= 20 else _MAX
        else:
            raise ValueError
        if value < _MAX:
            return value
    except (ValueError, KeyError):
        pass
    raise BournError(
        f"{text!r} is not a job id; right is for example ƒuZZybuNNy, 6731191091817518 or 0017.e9fb.8df1.6c2e"
    )


_HEX = "0123456789abcdefABCDEF"


def _all_in(word: str, alphabet: str) -> bool:
    return bool(word) and all(c in alphabet for c in word)
