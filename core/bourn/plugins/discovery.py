"""Which plugins are installed: entry points, read straight from the metadata of installed distributions.

`importlib.metadata` gives the same answer and costs 20 ms to import, which is a fifth of what ``bourn run``
may take. So the directories on `sys.path` are looked through here, for ``*.dist-info/entry_points.txt``,
without importing anything. Not seen: distributions inside zip files.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["EntryPoint", "distributions", "scan", "third_party"]

OWN = "bourn"
"""The distribution whose plugins are the stock ones."""


class EntryPoint(NamedTuple):
    """A line of a distribution's ``entry_points.txt``."""

    group: str
    name: str
    value: str
    """``package.module`` or ``package.module:attribute``."""
    distribution: str
    version: str
    path: str
    """The distribution's metadata directory."""

    @property
    def stock(self) -> bool:
        """Whether it is Bourn's own."""
        return _normal(self.distribution) == OWN

    @property
    def owner(self) -> str:
        """The distribution and its version, as messages name it."""
        return f"{self.distribution} {self.version}"


def scan(path: Sequence[str] | None = None) -> list[EntryPoint]:
    """Return all of Bourn's entry points on `path` (default: sys.path), stock ones first, then by name.

    Of two installations of one distribution the first on the path counts, as it does for the import system.
    """
    found = [entry for where, text in distributions(path) for entry in _parse(where, text)]
    return sorted(found, key=lambda entry: (not entry.stock, entry.name, entry.distribution))


def third_party(group: str, path: Sequence[str] | None = None) -> list[EntryPoint]:
    """Return the entry points of a group that aren't Bourn's own: what the command line asks before it pays
    more."""
    return [entry for entry in scan(path) if entry.group == group and not entry.stock]


def distributions(path: Sequence[str] | None = None) -> Iterator[tuple[str, str]]:
    """Return (metadata directory, text of entry_points.txt) of each distribution that has plugins for
    Bourn."""
    seen: set[str] = set()
    for folder in sys.path if path is None else path:
        try:
            with os.scandir(folder or ".") as entries:
                names = sorted(e.name for e in entries if e.name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue
        for name in names:
            key = _normal(name.rpartition(".")[0].partition("-")[0])
            if key in seen:
                continue
            seen.add(key)
            where = os.path.join(folder or ".", name)
            try:
                with open(os.path.join(where, "entry_points.txt"), encoding="utf-8") as file:
                    text = file.read()
            except (OSError, UnicodeDecodeError):
                continue
            if "[bourn." in text:
                yield where, text


def metadata(entry: EntryPoint) -> list[tuple[str, str]]:
    """Return the header fields of the distribution's metadata, in order; empty if there is none to read."""
    return _headers(entry.path)


def _parse(where: str, text: str) -> Iterator[EntryPoint]:
    name, version = _identity(where)
    group = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group.startswith("bourn.") and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield EntryPoint(group, key.strip(), value.partition("[")[0].strip(), name, version, where)


def _identity(where: str) -> tuple[str, str]:
    """Return a distribution's name and version; the directory's name has both, in another spelling, for a
    wheel."""
    stem = os.path.basename(where).rpartition(".")[0]
    name, _, version = stem.partition("-")
    if _normal(name) == OWN and version:
        return OWN, version
    fields = dict(reversed(_headers(where)))
    return fields.get("name", name), fields.get("version", version or "unknown")


def _headers(where: str) -> list[tuple[str, str]]:
    for name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(where, name), encoding="utf-8", errors="replace") as file:
                return list(_fields(file))
        except OSError:
            continue
    return []


def _fields(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.strip():
            return
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            yield key.strip().lower(), value.strip()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
