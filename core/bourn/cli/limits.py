"""The rules of `--rlimit`: which of the caller's resource limits a job gets.

Without rules none travel: the job has those of the host it runs on. With rules, all soft limits of the caller
do that aren't the host's business; then `-PATTERN` takes matching limits out, `NAME=VALUE` sets one (a
number, `unlimited`, `infinity` or `inf`), and `PATTERN` adds the caller's matching ones.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNLIMITED = -1
HOST_LIMITS = frozenset({"memlock", "ofile", "msgqueue", "nice", "rtprio", "rttime", "sigpending"})


def current_limits() -> dict[str, int]:
    """Return the soft limits of this process by lower-case name; no limit is -1."""
    limits = {}
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            soft, _ = resource.getrlimit(getattr(resource, name))
            limits[name[7:].lower()] = UNLIMITED if soft == resource.RLIM_INFINITY else soft
    return limits


def apply_rules(rules: Iterable[str], limits: Mapping[str, int]) -> dict[str, int]:
    """Return the limits that the job gets."""
    result = {name: value for name, value in limits.items() if name not in HOST_LIMITS}
    for rule in rules:
        name, equals, value = rule.partition("=")
        if equals:
            if name not in limits:
                raise BournError(f"--rlimit={rule}: no such limit '{name}'{suggest(name, limits)}")
            result[name] = _value(rule, value)
            continue
        matches = _matches(rule.removeprefix("-"), limits)
        for match in matches:
            if rule.startswith("-"):
                result.pop(match, None)
            else:
                result[match] = limits[match]
    return result


def _matches(pattern: str, limits: Mapping[str, int]) -> list[str]:
    from fnmatch import fnmatchcase

    found = [name for name in limits if fnmatchcase(name, pattern)]
    if not found:
        raise BournError(f"--rlimit: no limit matches '{pattern}'{suggest(pattern, limits)}")
    return found


def _value(rule: str, text: str) -> int:
    if text.lower() in ("unlimited", "infinity", "inf"):
        return UNLIMITED
    try:
        return int(text)
    except ValueError:
        raise BournError(f"--rlimit={rule}: '{text}' is neither a number nor 'unlimited'") from None
