"""Durations such as `1.5h` (RFC 23)."""

from __future__ import annotations

from bourn.errors import BournError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str | float) -> float:
    """Return seconds; `text` is a number with an optional unit ms, s, m, h or d, or `inf` / `infinity`."""
    if isinstance(text, str):
        body = text.strip()
        scale = 1.0
        if not body.lower().startswith(("inf", "nan")):
            for unit in ("ms", "s", "m", "h", "d"):
                if body.endswith(unit):
                    scale = _UNITS[unit]
                    body = body[: -len(unit)]
                    break
        try:
            # float() would also take spaces and digit separators, which C's strtod doesn't.
            value = float(body) * scale if body and not (set(body) & set("_ \t\n")) else -1.0
        except ValueError:
            value = -1.0
    else:
        value = -1.0 if isinstance(text, bool) else float(text)
    if not value >= 0:
        raise BournError(
            f"'{text}' is not a duration: a number from 0 with ms, s, m, h or d, such as 1.5h, or inf"
        )
    return value


def format_duration(seconds: float) -> str:
    """Return the shortest usual form: the greatest unit that isn't over the duration, as `1.5h`."""
    if seconds < 0:
        raise BournError(f"a duration can't be negative: {seconds}")
    if seconds == float("inf"):
        return "infinity"
    if seconds == 0:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit]:
            return f"{_number(seconds / _UNITS[unit])}{unit}"
    return f"{_number(seconds * 1000)}ms"


def _number(value: float) -> str:
    text = f"{value:.6g}"
    return text if "e" not in text else f"{value:.0f}"


class Duration(float):
    """Seconds as a float whose `str()` is the RFC 23 form."""

    __slots__ = ()

    @staticmethod
    def parse(text: str | float) -> float:
        """Return the seconds that `text` means."""
        return parse_duration(text)

    def __str__(self) -> str:
        return format_duration(self)
