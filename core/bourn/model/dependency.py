"""Job dependencies as users write them: `scheme:value?key=value&...` (RFC 26)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from bourn.errors import BournError


def parse_dependency(text: str) -> dict[str, Any]:
    """Return the dependency object of a string such as `afterok:ƒ2oLkTLb` or `string:a?type=in&scope=user`.

    A parameter without `=` is true; one given twice is a list.
    """
    scheme, colon, rest = text.strip().partition(":")
    if not colon or not scheme or not rest:
        raise BournError(f"dependency '{text}' is not scheme:value; right is for example afterok:ƒ2oLkTLb")
    if not all(c.isalnum() or c in "-_.+" for c in scheme):
        raise BournError(f"dependency '{text}': '{scheme}' is not the name of a scheme")
    value, _, query = rest.partition("?")
    dependency: dict[str, Any] = {"scheme": scheme, "value": unquote(value)}
    if not value:
        raise BournError(f"dependency '{text}' has no value")
    for part in filter(None, query.split("&")):
        key, equals, word = part.partition("=")
        key = unquote(key)
        if key in ("scheme", "value") or not key:
            raise BournError(f"dependency '{text}': '{key}' can't be a parameter")
        param: Any = _number(unquote(word)) if equals else True
        if key in dependency:
            old = dependency[key]
            dependency[key] = [*old, param] if isinstance(old, list) else [old, param]
        else:
            dependency[key] = param
    return dependency


def _number(word: str) -> str | int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 16 else word
