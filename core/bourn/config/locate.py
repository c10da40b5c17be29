"""Where in a TOML file a key stands: `tomllib` doesn't tell, and an error message ought to."""

from __future__ import annotations

import re

__all__ = ["locate"]

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def locate(text: str, path: Path) -> int | None:
    """Return the line (from 1) of the key `path`, or of the innermost table or array above it that stands on
    one.

    `path` is keys, and positions in arrays: ``("resource", "config", 0, "cores")``. None if no part of it is
    there.
    """
    best, best_line = 0, None
    for line, here in _places(text):
        depth = _common(here, path)
        if depth == len(here) and depth > best:
            best, best_line = depth, line
    return best_line


def _places(text: str) -> list[tuple[int, Path]]:
    """Return (line, path) of each header and key."""
    found: list[tuple[int, Path]] = []
    table: Path = ()
    counts: dict[Path, int] = {}
    for line, content in enumerate(text.splitlines(), 1):
        header = _HEADER.match(content)
        if header:
            table = _indexed(_split(header[2]), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found.append((line, table))
            continue
        key = _KEY.match(content)
        if key:
            found.append((line, table + _split(key[1])))
    return found


def _indexed(path: Path, counts: dict[Path, int]) -> Path:
    """Put the position of the present element after each array of tables on the way."""
    full: Path = ()
    for position, part in enumerate(path):
        full = (*full, part)
        if full in counts and position < len(path) - 1:
            full = (*full, counts[full])
    return full


def _split(text: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(r"""[\w-]+|"[^"]*"|'[^']*'""", text))


def _common(one: Path, other: Path) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
