"""Output formats of the listing commands: Python format strings, compiled once and applied to many records.

`{name:>12.12}` prints a field. After a name may come `!d` (a time, with a strftime format and, after `::`, a
width: `{t_run!d:%H:%M::>8}`), `!D` (ISO date and time), `!F` (duration as 1.5h), `!H` (duration as 0:01:30),
`!P` (percent) or `!B` (bytes as 1.5G). A format that ends in `h` prints `-` for nothing, one that ends in
`+` marks a text that was cut with a `+`. Before a field, `?:` leaves the column out when no record has a
value, `+:` widens it to what is printed, `?+:` does both.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Any, TypeAlias

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Getter: TypeAlias = "Callable[[Any], Any]"
Lookup: TypeAlias = "Callable[[str], tuple[str, Getter]]"

SPEC = re.compile(r"(?P<align>.?[<>=^])?[-+ ]?#?0?(?P<width>\d*)[,_]?(?P<prec>\.\d+)?(?P<type>[a-zA-Z%]?)$")
PREFIX = re.compile(r"(\?\+?|\+):$")
NOTHING = ("", None, "0s", "0.0", "0:00:00", "1970-01-01T00:00:00")


class Column:
    """One field of a format, with the text before it."""

    __slots__ = (
        "align",
        "collapse",
        "expand",
        "get",
        "heading",
        "literal",
        "name",
        "render",
        "source",
        "width",
    )

    def __init__(self, literal: str, name: str, conversion: str | None, spec: str, lookup: Lookup) -> None:
        prefix = PREFIX.search(literal)
        flags = prefix.group(1) if prefix else ""
        self.literal = literal[: prefix.start()] if prefix else literal
        self.collapse, self.expand = "?" in flags, "+" in flags
        self.name = name
        self.heading, self.get = lookup(name)
        self.source = (conversion, spec)
        match = SPEC.match(_split(conversion, spec)[1].rstrip("+h"))
        if match is None:
            raise BournError(f"format of field '{name}': '{spec}' is no format specification")
        self.width = int(match["width"] or 0)
        self.align = match["align"] or "<"
        self.render = renderer(conversion, spec)

    def head(self) -> str:
        """Return the heading, padded like the values."""
        return f"{self.heading:{self.align}{self.width or ''}}"

    def widen(self, width: int) -> None:
        """Print at least `width` characters, and cut nothing."""
        conversion, spec = self.source
        first, last = _split(conversion, spec)
        suffix = last[len(last.rstrip("+h")) :]
        match = SPEC.match(last.rstrip("+h"))
        assert match is not None
        self.width = max(self.width, width)
        precision = match["prec"] if match["type"] else ""
        last = f"{self.align}{self.width}{precision or ''}{match['type']}{suffix}"
        self.render = renderer(conversion, f"{first}::{last}" if conversion == "d" else last)


class Template:
    """A compiled format; `lookup` gives heading and getter of a field name."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self.columns: list[Column] = []
        self.tail = ""
        try:
            for literal, name, spec, conversion in Formatter().parse(text):
                if name is None:
                    self.tail = literal
                else:
                    self.columns.append(Column(literal, name, conversion, spec or "", lookup))
        except ValueError as error:
            raise BournError(f"format '{text}': {error}") from None

    def fit(self, records: Sequence[Any]) -> None:
        """Leave out `?:` columns that are empty in these records, and widen `+:` ones."""
        kept: list[Column] = []
        for column in self.columns:
            if column.collapse and not any(column.get(r) not in NOTHING for r in records):
                continue
            if not kept:
                # The blank that set it off from a column that is gone goes with that.
                column.literal = column.literal if column is self.columns[0] else column.literal.lstrip()
            if column.expand:
                column.widen(len(column.heading))
                try:
                    bare = max((len(str(column.render(column.get(r))).strip()) for r in records), default=0)
                except (ValueError, TypeError, OverflowError):
                    bare = 0  # `rows` says what is wrong
                column.widen(bare)
            kept.append(column)
        self.columns = kept

    def header(self) -> str:
        """Return the line of headings."""
        return ("".join(c.literal + c.head() for c in self.columns) + self.tail).rstrip()

    def rows(self, records: Iterable[Any]) -> Iterable[str]:
        """Yield a line for each record, without trailing blanks."""
        columns = [(c.literal, c.get, c.render) for c in self.columns]
        tail = self.tail
        for record in records:
            try:
                line = "".join([literal + render(get(record)) for literal, get, render in columns])
            except (ValueError, TypeError, OverflowError):
                raise self._misfit(record) from None
            yield (line + tail).rstrip()

    def _misfit(self, record: Any) -> BournError:
        """Return the error that names the field whose value its format can't print."""
        for column in self.columns:
            value = column.get(record)
            try:
                column.render(value)
            except (ValueError, TypeError, OverflowError):
                conversion, spec = column.source
                how = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                return BournError(f"field '{column.name}': '{how}' can't print {value!r:.60}")
        return BournError("this format can't print every value")


def named(text: str, stock: Mapping[str, str], command: str = "jobs") -> str:
    """Return the format that `-o` means: a format string itself, or a name, of `stock` or of the user's own
    formats for a command.
    """
    if "{" in text:
        return text
    from bourn.cli.userconfig import formats

    known = formats(command, stock)
    if text == "help":
        print("\n".join(f"{name:<10} {form}" for name, form in known.items()))
        raise SystemExit(0)
    if text not in known:
        raise BournError(f"no format named '{text}'{suggest(text, known)}")
    return known[text]


def field_lookup(fields: Mapping[str, tuple[str, Getter]]) -> Lookup:
    """Return a lookup in a plain table, with suggestions."""

    def lookup(name: str) -> tuple[str, Getter]:
        if name not in fields:
            raise BournError(f"unknown field '{name}'{suggest(name, fields)}")
        return fields[name]

    return lookup


def renderer(conversion: str | None, spec: str) -> Callable[[Any], str]:
    """Return the function that prints one value."""
    first, spec = _split(conversion, spec)
    suffix = spec[len(spec.rstrip("+h")) :]
    spec = spec.rstrip("+h")
    convert = _conversion(conversion, first)
    numeric = spec[-1:] in tuple("bcdoxXeEfFgGn%")
    blank = re.sub(r"(\.\d+)?[a-zA-Z%]$", "", spec) if numeric else spec
    cut = int(match.group(1)) if (match := re.search(r"\.(\d+)$", spec)) and "+" in suffix else 0
    hyphen = "-" if "h" in suffix else ""
    if not (convert or numeric or cut or hyphen):
        return _padder(spec)

    def render(value: Any) -> str:
        if convert is not None:
            value = convert(value)
        if value in NOTHING:
            return format(hyphen or ("" if value is None else str(value)), blank)
        if cut and len(str(value)) > cut:
            value = f"{str(value)[: cut - 1]}+"
        return format(value if numeric else str(value), spec)

    return render


def short_duration(seconds: float) -> str:
    """Return a duration as the field prints it: in the greatest unit that it reaches, less than 1 ms is
    `0s`.
    """
    if seconds < 0.001:
        return "0s"
    if seconds < 10:
        return f"{seconds:.3f}s"
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.4g}{unit}"
    return f"{seconds:.4g}s"


def plain(text: str) -> str:
    """Return what a terminal can show of a text: a job's name must not steer it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def _padder(spec: str) -> Callable[[Any], str]:
    """Return the fast path for the plain formats that most columns have."""
    if not spec:
        return str
    fill = ("{:" + spec + "}").format
    return lambda value: fill(value if type(value) is str else str(value))


def _split(conversion: str | None, spec: str) -> tuple[str, str]:
    """Split the format of a time into its strftime part and the rest."""
    if conversion != "d":
        return "", spec
    first, double, rest = spec.partition("::")
    return (first, rest) if double else (spec, "")


def _conversion(conversion: str | None, strftime: str) -> Callable[[Any], Any] | None:
    if conversion is None:
        return None
    if conversion in ("d", "D"):
        return lambda value: _time(value, strftime or "%Y-%m-%dT%H:%M:%S")
    if conversion == "F":
        return lambda value: "" if value == "" else short_duration(float(value))
    if conversion == "H":
        return lambda value: "" if value == "" else _hms(float(value))
    if conversion == "P":
        return lambda value: "" if value == "" else f"{float(value) * 100:.3g}%"
    if conversion == "B":
        return lambda value: "" if value == "" else _size(float(value))
    if conversion in ("s", "r"):
        return str if conversion == "s" else repr
    raise BournError(f"unknown conversion '!{conversion}'; there are: !B !d !D !F !H !P !r !s")


def _time(value: Any, strftime: str) -> str:
    if not value:
        return ""
    import time

    return time.strftime(strftime, time.localtime(float(value)))


def _size(value: float) -> str:
    for unit in ("", "K", "M", "G"):
        if value < 1024:
            return f"{value:.4g}{unit}"
        value /= 1024
    return f"{value:.4g}T"


def _hms(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{f'{days}-' if days else ''}{hour}:{minute:02}:{second:02}"
