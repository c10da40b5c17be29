"""The tables of a TOML description of a graph, ``[[resource.graph]]``: what a site writes by hand.

Each table is a level of the machine::

    [[resource.graph]]
    type = "rack"
    count = 4

    [[resource.graph]]
    type = "node"
    in = "rack"
    hosts = "fox[1-64]"

    [[resource.graph]]
    type = "core"
    in = "node"
    count = 48
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from bourn.errors import BournError, suggest
from bourn.model.hostlist import Hostlist

if TYPE_CHECKING:
    from collections.abc import Mapping

TOP = "cluster"
CONTAINMENT = "containment"
_KEYS: dict[str, tuple[type, ...]] = {
    "type": (str,),
    "in": (str, list),
    "count": (int,),
    "basename": (str,),
    "size": (int,),
    "unit": (str,),
    "properties": (list, dict),
    "hosts": (str,),
    "number": (str,),
    "name": (str,),
    "subsystem": (str,),
    "links": (str,),
}
_WORDS = {
    str: "a string",
    int: "an integer",
    list: "a list of strings",
    dict: "a table of host lists",
}
_NUMBER = ("parent", "node", "global")


class Wrong(Exception):
    """A mistake in a document: the path of keys and positions to it, and what is wrong."""

    def __init__(self, path: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


@define(eq=False)
class Level:
    """One table."""

    place: int
    name: str
    type: str
    above: list[str]
    """The names of the levels that it is in."""
    count: int | None
    """How many there are in each of those; None: as many as there are hosts."""
    basename: str
    size: int
    unit: str
    properties: dict[str, str]
    some: dict[str, frozenset[str]]
    """Properties that only some hosts have."""
    hosts: list[str]
    number: str
    subsystem: str
    links: str

    def wrong(self, key: str, reason: str) -> Wrong:
        """Return the error that a key of this table is wrong."""
        return Wrong(("resource", "graph", self.place, key), reason)


def parse_levels(document: Mapping[str, Any]) -> list[Level]:
    """Return the levels, parents first; raises Wrong."""
    resource = document.get("resource", {})
    tables = resource.get("graph") if isinstance(resource, dict) else None
    if not isinstance(tables, list) or not tables or not all(isinstance(each, dict) for each in tables):
        there = sorted(resource) if isinstance(resource, dict) else []
        hint = f"; there is resource.{there[0]}" if there and tables is None else ""
        raise Wrong(("resource",), f"there is no [[resource.graph]] table{hint}")
    levels: list[Level] = []
    known = {TOP}
    for i, table in enumerate(tables):
        level = _level(table, i, known)
        known.add(level.name)
        levels.append(level)
    return levels


def _level(table: Mapping[str, Any], place: int, known: set[str]) -> Level:
    def wrong(key: str, reason: str) -> Wrong:
        return Wrong(("resource", "graph", place, key), reason)

    for key, value in table.items():
        kinds = _KEYS.get(key)
        if kinds is None:
            raise wrong(key, f"unknown key{suggest(key, _KEYS)}")
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise wrong(key, f"must be {' or '.join(_WORDS[kind] for kind in kinds)}, not {value!r}")
    if not table.get("type"):
        raise wrong("type", "is missing: what is it, a rack, a node, a core?")
    type = table["type"]
    for key in ("count", "size"):
        if table.get(key, 1) < 1:
            raise wrong(key, f"must be at least 1, not {table[key]}")
    above = table.get("in", TOP)
    above = [above] if isinstance(above, str) else above
    for name in above:
        if name not in known:
            raise wrong("in", f"'{name}' is no level above{suggest(str(name), known)}")
    number = table.get("number", "global" if type == "node" else "node")
    if number not in _NUMBER:
        raise wrong("number", f"must be one of {', '.join(_NUMBER)}, not '{number}'")
    try:
        hosts = list(Hostlist(table.get("hosts", "")))
    except BournError as error:
        raise wrong("hosts", error.message) from None
    if hosts and type != "node":
        raise wrong("hosts", f"are the names of nodes; a {type} has a basename")
    every, some = _properties(table.get("properties", ()), type, wrong)
    return Level(
        place,
        table.get("name", type),
        type,
        above,
        table.get("count", None if hosts else 1),
        table.get("basename", type),
        table.get("size", 1),
        table.get("unit", ""),
        every,
        some,
        hosts,
        number,
        table.get("subsystem", CONTAINMENT),
        table.get("links", ""),
    )


def _properties(
    value: list[Any] | dict[str, Any], type: str, wrong: Any
) -> tuple[dict[str, str], dict[str, frozenset[str]]]:
    """Return the properties of all, and for others the hosts that have them."""
    if isinstance(value, dict):
        if type != "node":
            raise wrong("properties", f"by hosts are for nodes; of a {type}, give a list")
        some: dict[str, frozenset[str]] = {}
        for name, hosts in value.items():
            if not isinstance(hosts, str):
                raise wrong("properties", f"{name} must be a host list, not {hosts!r}")
            try:
                some[name] = frozenset(Hostlist(hosts))
            except BournError as error:
                raise wrong("properties", f"{name}: {error.message}") from None
        return {}, some
    every: dict[str, str] = {}
    for text in value:
        if not isinstance(text, str) or not text:
            raise wrong("properties", f"must be strings, as NAME or NAME=VALUE, not {text!r}")
        key, _, word = text.partition("=")
        every[key] = word
    return every, {}
