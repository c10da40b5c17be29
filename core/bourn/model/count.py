"""Counts of a resource vertex: an integer, an idset of acceptable counts, or a range (RFC 14, RFC 45)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    Count: TypeAlias = int | str | dict[str, Any]

OPERATORS = ("+", "*", "^")


def check_count(count: object) -> str | None:
    """Return what is wrong with a count, or None."""
    if type(count) is int:
        return None if count >= 1 else f"{count} is less than 1"
    try:
        if isinstance(count, str):
            parse_count(count)
        elif isinstance(count, dict):
            _check_range(count)
        else:
            return f"must be an integer, a string such as '2-8' or '4,9', or a range with min, not {count!r}"
    except BournError as err:
        return err.message
    return None


def parse_count(text: str) -> Count:
    """Return the integer, the canonical idset string or the range dictionary that a string means.

    `4` is 4, `2-8:2:*` a range, `4,9` an idset, `3+` a minimum. What reads as both an idset and a range
    (`1-4`) is a range: the two accept the same counts.
    """
    body = text.strip()
    if body[:1] == "[" and body[-1:] == "]":
        body = body[1:-1]
    if body.isascii() and body.isdigit() and body[0] != "0":
        return int(body)
    bounds, *steps = body.split(":")
    if "," not in bounds and ("-" in bounds or bounds.endswith("+")):
        low, _, high = bounds.partition("-") if "-" in bounds else (bounds[:-1], "", "")
        if len(steps) > 2:
            raise BournError(f"'{text}' has too many parts; a range is min-max:operand:operator")
        counts: dict[str, Any] = {"min": _positive(low, text)}
        if high:
            counts["max"] = _positive(high, text)
        if high or steps:
            counts["operator"] = steps[1] if len(steps) == 2 else "+"
            counts["operand"] = _positive(steps[0], text) if steps else 1
        _check_range(counts)
        return counts
    if steps:
        raise BournError(
            f"'{text}' is not a range; right is min-max:operand:operator or min+:operand:operator"
        )
    ids = IdSet(body)
    if not ids or 0 in ids:
        raise BournError(f"'{text}' is not a count: counts are at least 1")
    return str(ids)


def format_count(count: Count) -> str:
    """Return the shortest string that `parse_count` turns into the same count."""
    if not isinstance(count, dict):
        return str(count)
    text = f"{count['min']}-{count['max']}" if "max" in count else f"{count['min']}+"
    operator, operand = count.get("operator", "+"), count.get("operand", 1)
    if (operator, operand) == ("+", 1):
        return text
    return f"{text}:{operand}" if operator == "+" else f"{text}:{operand}:{operator}"


def count_min(count: Count) -> int:
    """Return the least acceptable count."""
    if isinstance(count, int):
        return count
    if isinstance(count, str):
        parsed = parse_count(count)
        return IdSet(parsed).first() if isinstance(parsed, str) else count_min(parsed)
    least: int = count["min"]
    return least


def count_max(count: Count) -> int | None:
    """Return the greatest acceptable count; None when there is no bound."""
    if isinstance(count, int):
        return count
    if isinstance(count, str):
        parsed = parse_count(count)
        return IdSet(parsed).last() if isinstance(parsed, str) else count_max(parsed)
    if "max" not in count:
        return None
    last = count["min"]
    for last in count_values(count, count["max"]):  # noqa: B007
        pass
    return int(last)


def count_values(count: Count, limit: int) -> Iterator[int]:
    """Yield the acceptable counts up to `limit`, ascending."""
    if isinstance(count, str):
        count = parse_count(count)
    if isinstance(count, int):
        if count <= limit:
            yield count
    elif isinstance(count, str):
        yield from (n for n in IdSet(count) if n <= limit)
    else:
        value, operand = count["min"], count.get("operand", 1)
        operator = count.get("operator", "+")
        limit = min(limit, count.get("max", limit))
        while value <= limit:
            yield value
            value = (
                value + operand if operator == "+" else value * operand if operator == "*" else value**operand
            )


def _check_range(count: dict[str, Any]) -> None:
    for key, value in count.items():
        if key == "operator":
            if value not in OPERATORS:
                raise BournError(f"operator {value!r} must be one of + * ^")
        elif key not in ("min", "max", "operand"):
            raise BournError(f"unknown key '{key}'; there are: max, min, operand, operator")
        elif type(value) is not int or value < 1:
            raise BournError(f"{key} must be an integer from 1, not {value!r}")
    if "min" not in count:
        raise BournError("a range must have min")
    if "max" in count and count["max"] < count["min"]:
        raise BournError(f"max {count['max']} is less than min {count['min']}")
    if ("operator" in count) != ("operand" in count):
        raise BournError("operator and operand go together")
    operator = count.get("operator", "+")
    if operator != "+" and count["operand"] < 2:
        raise BournError(f"operand must be at least 2 with operator {operator}")
    if operator == "^" and count["min"] < 2:
        raise BournError("min must be at least 2 with operator ^")


def _positive(word: str, text: str) -> int:
    if word.isascii() and word.isdigit() and word[0] != "0" and len(word) <= 18:
        return int(word)
    raise BournError(f"'{text}' is not a count: '{word}' is not an integer from 1")
