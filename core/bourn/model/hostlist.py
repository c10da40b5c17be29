"""Ordered lists of host names and their text form `host[0-3,7]` (RFC 29)."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_HOSTS = 1 << 20
"""A list longer than this is refused: a typing error must not fill the memory."""


class Hostlist:
    """Host names in order; duplicates and leading zeros are kept.

    Made from a hostlist string (`host[0-1],login`), an iterable of such strings, or nothing.
    """

    __slots__ = ("_hosts",)

    def __init__(self, hosts: str | Iterable[str] = ()) -> None:
        self._hosts: list[str]
        if isinstance(hosts, Hostlist):
            self._hosts = list(hosts._hosts)
        elif isinstance(hosts, str):
            self._hosts = list(expand(hosts))
        else:
            self._hosts = [host for text in hosts for host in expand(text)]
        if len(self._hosts) > MAX_HOSTS:
            raise BournError(f"a hostlist has at most {MAX_HOSTS} hosts")

    def append(self, hosts: str | Hostlist) -> None:
        """Add hosts at the end."""
        self._hosts.extend(Hostlist(hosts))

    def index(self, host: str) -> int:
        """Return the position of a host; ValueError when it isn't there."""
        return self._hosts.index(host)

    def count(self, host: str) -> int:
        """Return how often a host is in the list."""
        return self._hosts.count(host)

    def uniq(self) -> Hostlist:
        """Return the list without repetitions, each host where it came first."""
        return _wrap(list(dict.fromkeys(self._hosts)))

    def sorted(self) -> Hostlist:
        """Return the list in the order of names, numbers at their end compared as numbers."""
        return _wrap(sorted(self._hosts, key=_sort_key))

    def __add__(self, other: Hostlist) -> Hostlist:
        return _wrap(self._hosts + other._hosts)

    def __sub__(self, other: Hostlist) -> Hostlist:
        gone = set(other._hosts)
        return _wrap([host for host in self._hosts if host not in gone])

    def __and__(self, other: Hostlist) -> Hostlist:
        both = set(other._hosts)
        return _wrap([host for host in self._hosts if host in both])

    def __contains__(self, host: object) -> bool:
        return host in self._hosts

    def __len__(self) -> int:
        return len(self._hosts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    @overload
    def __getitem__(self, i: int) -> str: ...

    @overload
    def __getitem__(self, i: slice | Iterable[int]) -> Hostlist: ...

    def __getitem__(self, i: int | slice | Iterable[int]) -> str | Hostlist:
        if isinstance(i, int):
            return self._hosts[i]
        if isinstance(i, slice):
            return _wrap(self._hosts[i])
        return _wrap([self._hosts[n] for n in i])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hostlist) and self._hosts == other._hosts

    def __hash__(self) -> int:
        return hash(tuple(self._hosts))

    def __str__(self) -> str:
        return compress(self._hosts)

    def __repr__(self) -> str:
        return f"Hostlist({str(self)!r})"


def expand(text: str) -> Iterator[str]:
    """Yield the hosts of a hostlist string."""
    for expression in _split(text):
        prefix, bracket, rest = expression.partition("[")
        if not bracket:
            if "]" in expression:
                raise _bad(text, "a ']' has no '['")
            yield expression
            continue
        ids, bracket, suffix = rest.partition("]")
        if not bracket or "[" in ids or "[" in suffix or "]" in suffix:
            raise _bad(text, "an expression has one pair of brackets")
        for number in _ids(ids, text):
            yield f"{prefix}{number}{suffix}"


def compress(hosts: Iterable[str]) -> str:
    """Return the hostlist string of host names: runs with the same prefix and suffix share brackets."""
    out: list[str] = []
    group: tuple[str, int] | None = None
    ranges: list[list[int]] = []
    for host in hosts:
        prefix, digits = _split_number(host)
        if digits is None:
            _flush(out, group, ranges)
            group, ranges = None, []
            out.append(host)
            continue
        # The width of numbers with leading zeros; 0 stands for numbers without.
        width = len(digits) if digits[0] == "0" and len(digits) > 1 else 0
        number = int(digits)
        if group is None or group[0] != prefix or not _joins(group[1], width, digits):
            _flush(out, group, ranges)
            group, ranges = (prefix, width), []
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    _flush(out, group, ranges)
    return ",".join(out)


def _joins(width: int, own: int, digits: str) -> bool:
    if own:
        return own == width
    # foo[08-10]: after 09, 10 has no leading zero, but printed at the group's width it is the same.
    return len(digits) >= width


def _flush(out: list[str], group: tuple[str, int] | None, ranges: list[list[int]]) -> None:
    if group is None:
        return
    prefix, width = group
    texts = [f"{a:0{width}d}" if a == b else f"{a:0{width}d}-{b:0{width}d}" for a, b in ranges]
    single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    out.append(prefix + texts[0] if single else f"{prefix}[{','.join(texts)}]")


def _split_number(host: str) -> tuple[str, str | None]:
    stem = host.rstrip("0123456789")
    digits = host[len(stem) :]
    # More digits than an id has are a part of the name.
    return (stem, digits) if digits and len(digits) <= 18 else (host, None)


def _sort_key(host: str) -> tuple[str, int, str]:
    prefix, digits = _split_number(host)
    return (prefix, int(digits) if digits else -1, host)


def _split(text: str) -> Iterator[str]:
    """Yield the comma separated expressions; commas in brackets don't separate."""
    start = depth = 0
    for i, c in enumerate(text):
        if c == "[":
            depth += 1
        elif c == "]":
            depth -= 1
        elif c.isspace() or not c.isprintable():
            raise _bad(text, "host names have no white space")
        elif c == "," and depth <= 0:
            if i > start:
                yield text[start:i]
            start = i + 1
    if start < len(text):
        yield text[start:]


def _ids(ids: str, text: str) -> Iterator[str]:
    width = None
    total = 0
    for part in ids.split(","):
        low, dash, high = part.partition("-")
        if not dash:
            high = low
        if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit() and len(high) <= 18):
            raise _bad(text, f"'{part}' is not a number or a range of numbers")
        if width is None:
            width = len(low) if low[0] == "0" else 0
        first, last = int(low), int(high)
        if last < first:
            raise _bad(text, f"the range {part} descends")
        total += last - first + 1
        if total > MAX_HOSTS:
            raise _bad(text, f"more than {MAX_HOSTS} hosts")
        for number in range(first, last + 1):
            yield f"{number:0{width}d}"


def _bad(text: str, reason: str) -> BournError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return BournError(f"hostlist {shown!r}: {reason}; right is for example host[0-3,7],login")


def _wrap(hosts: list[str]) -> Hostlist:
    new = Hostlist()
    new._hosts = hosts
    return new
