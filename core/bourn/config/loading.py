"""Reading configuration: TOML files, directories of them, and single keys from the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = ["Source", "merge", "parse_override", "parse_text", "read_sources"]


class Source:
    """A piece of configuration: where it is from, its text if it was a file, and what it says."""

    __slots__ = ("name", "text", "tree")

    def __init__(self, name: str, text: str, tree: dict[str, Any]) -> None:
        self.name = name
        self.text = text
        self.tree = tree


def read_sources(paths: Iterable[str | os.PathLike[str]], overrides: Iterable[str]) -> list[Source]:
    """Read files, the ``*.toml`` of directories in the order of their names, and then overrides."""
    sources = [_read_file(file) for path in paths for file in _files(Path(path))]
    return sources + [parse_override(text) for text in overrides]


def parse_override(text: str) -> Source:
    """Read ``a.b.c=VALUE``, where VALUE is TOML or a bare word, or the name of a TOML file.

    `ConfigError` says what is wrong with it.
    """
    key, equals, value = text.partition("=")
    if not equals:
        return _read_file(Path(text))
    name = f"--conf {text}"
    parts = re.findall(r'"[^"]*"|[^.]+', key.strip())
    if not parts or ".".join(parts) != key.strip():
        raise ConfigError(f"{name}: '{key}' is not a dotted key such as exec.kill-timeout")
    tree: dict[str, Any] = {}
    inner = tree
    for part in parts[:-1]:
        inner = inner.setdefault(part.strip('"'), {})
    inner[parts[-1].strip('"')] = _value(name, value.strip())
    return Source(name, "", tree)


def merge(sources: Iterable[Source]) -> dict[str, Any]:
    """Lay sources over one another: tables are joined key by key, anything else is replaced by the later
    one."""
    result: dict[str, Any] = {}
    for source in sources:
        _overlay(result, source.tree)
    return result


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict):
            inner = below.get(key)
            below[key] = inner = dict(inner) if isinstance(inner, dict) else {}
            _overlay(inner, value)
        else:
            below[key] = value


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.glob("*.toml"))
    return [path]


def parse_text(name: str, text: str) -> Source:
    """Read TOML; `ConfigError` says where in `name` it isn't."""
    import tomllib

    try:
        return Source(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}{_place(str(error))}") from None


def _read_file(path: Path) -> Source:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    if path.suffix == ".json":
        return Source(str(path), text, _json(path, text))
    return parse_text(str(path), text)


def _json(path: Path, text: str) -> dict[str, Any]:
    """Read what `bourn batch --conf` puts into a job: TOML has no writer in the standard library."""
    import json

    try:
        tree = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must be an object of tables")
    return tree


def _place(message: str) -> str:
    """Turn ``TEXT (at line 3, column 5)`` into ``:3:5: TEXT``."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if not found:
        return f": {message}"
    where = f":{found[2]}:{found[3]}" if found[2] else ": at its end"
    return f"{where}: {found[1]}"


def _value(name: str, text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if re.fullmatch(r"[\w/~][\w./:~-]*", text):
            return text
        raise ConfigError(f'{name}: {text} is not a TOML value, such as 5, true, "text" or [1, 2]') from None
