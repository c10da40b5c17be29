"""An instance's configuration: TOML read into typed tables.

Each table is an attrs class (`bourn.config.tables`); a key that it doesn't have, or a value of the wrong
type, is a `ConfigError` that names file, line, table and key and says what would be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, get_origin

from bourn.config.loading import merge, read_sources
from bourn.errors import ConfigError, suggest

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from bourn.config.loading import Source

__all__ = ["Config", "load_config"]

T = TypeVar("T")


def load_config(
    paths: Iterable[str | os.PathLike[str]] = (),
    overrides: Iterable[str] = (),
    known: Mapping[str, Any] | None = None,
) -> Config:
    """Read configuration from TOML files and directories, then overrides ``a.b.c=VALUE``; later ones win.

    Raises `ConfigError` if a file can't be read or isn't TOML, with line and column. With `known`, the tables
    that plugins have (name -> class), the whole of it is checked; without, a table is when it is asked for.
    """
    config = Config(sources=read_sources(paths, overrides))
    if known is not None:
        config.check(known)
    return config


class Config:
    """Configuration as read. It doesn't change; reading anew makes another."""

    def __init__(
        self,
        raw: Mapping[str, Any] | None = None,
        sources: Sequence[Source] = (),
        base: tuple[str, ...] = (),
    ) -> None:
        self.raw: Mapping[str, Any] = merge(sources) if raw is None else raw
        """All tables as nested dicts, keys as written."""
        self._sources = sources
        self._base = base
        self._tables: dict[tuple[str, Any], Any] = {}

    def table(self, name: str, cls: type[T]) -> T:
        """Return a table as an object of `cls`: an attrs class, or ``dict[str, SomeClass]``.

        `name` may be dotted, as ``plugin.has-project``. A table that isn't there has its defaults. Raises
        `ConfigError`.
        """
        key = (name, cls)
        if key not in self._tables:
            self._tables[key] = self._read(name, cls)
        return cast("T", self._tables[key])

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a dotted key as written in TOML, for example
        ``config.get("modules.sched")``."""
        value: Any = self.raw
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    def check(self, known: Mapping[str, Any]) -> None:
        """Raise `ConfigError` for a table that is wrong, or that neither Bourn nor `known` (name -> class)
        has."""
        if not self.raw:
            return
        from bourn.config.tables import TABLES

        known = {**TABLES, **known}
        for name in self.raw:
            if name not in known:
                raise self.error((name,), f"unknown table{suggest(name, known)}")
            self.table(name, known[name])

    def error(self, path: tuple[str | int, ...], text: str) -> ConfigError:
        """Return an error about the key `path` that names the file and line where it stands."""
        return ConfigError(f"{self.place(path)}: {text}")

    def place(self, path: tuple[str | int, ...]) -> str:
        """Return the key `path` with the file and line where it stands."""
        path = (*self._base, *path)
        return f"{self._where(path)}{_dotted(path)}"

    def sub(self, name: str) -> Config:
        """Return a table that is a whole configuration itself; errors say where in this one it stands."""
        return Config(self.get(name) or {}, self._sources, (*self._base, *name.split(".")))

    def _read(self, name: str, cls: Any) -> Any:
        value = self.get(name)
        if value is None:
            return (get_origin(cls) or cls)()
        # Late: an instance without this table, and mostly without any, needs no cattrs.
        from bourn.config.structure import Fault, structure

        found = structure(value, cls)
        if isinstance(found, list) and found and isinstance(found[0], Fault):
            path = (*name.split("."), *found[0].path)
            raise self.error(path, found[0].text)
        return found

    def _where(self, path: tuple[str | int, ...]) -> str:
        """Return ``FILE:LINE: `` of the last source that has as much of the path as any."""
        from bourn.config.locate import locate

        best = max(
            ((_depth(source.tree, path), position) for position, source in enumerate(self._sources)),
            default=(0, 0),
        )
        if not best[0]:
            return ""
        source = self._sources[best[1]]
        line = locate(source.text, path)
        return f"{source.name}:{line}: " if line else f"{source.name}: "


def _depth(tree: Any, path: tuple[str | int, ...]) -> int:
    """Return how many steps of a path a tree has."""
    for steps, part in enumerate(path):
        if isinstance(tree, dict):
            inside = part in tree
        else:
            inside = isinstance(tree, list) and part in range(len(tree))
        if not inside:
            return steps
        tree = tree[part]
    return len(path)


def _dotted(path: tuple[str | int, ...]) -> str:
    """Write a path as ``resource.config[0].cores``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
