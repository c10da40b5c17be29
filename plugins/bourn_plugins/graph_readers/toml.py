"""A TOML description of a graph: ``[[resource.graph]]`` tables, what a site writes by hand.

Each table is a level of the machine::

    [[resource.graph]]
    type = "rack"
    count = 4

    [[resource.graph]]
    type = "node"
    in = "rack"
    count = 16
    basename = "n"
    number = "global"

    [[resource.graph]]
    type = "core"
    in = "node"
    count = 48
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from attrs import define

from bourn.errors import BournError, suggest
from bourn.hookspecs.resource_io import Resources
from bourn.model.hostlist import Hostlist
from bourn_plugins.graph_readers.rv1 import split_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.resource_io import GraphBuilder

_KEYS = {
    "type": str,
    "in": str,
    "count": int,
    "basename": str,
    "size": int,
    "unit": str,
    "properties": list,
    "hosts": str,
    "number": str,
    "name": str,
    "subsystem": str,
    "links": str,
}
_NUMBER = ("parent", "node", "global")


@define(eq=False)
class _Level:
    name: str
    type: str
    above: str
    count: int
    basename: str
    size: int
    unit: str
    properties: dict[str, str]
    hosts: list[str]
    number: str
    subsystem: str
    links: str


def read_toml(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read the tables; BournError names the table and the key that is wrong."""
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BournError(f"not a TOML document: {error}") from None
    return Resources(build=lambda builder: build_levels(builder, parse_levels(document)))


def parse_levels(document: Mapping[str, Any]) -> list[_Level]:
    """Return the levels of ``[[resource.graph]]``, parents first."""
    tables = document.get("resource", {}).get("graph")
    if not isinstance(tables, list) or not tables:
        raise BournError("resource.graph: there is no [[resource.graph]] table")
    levels: list[_Level] = []
    known = {"cluster"}
    for i, table in enumerate(tables):
        level = _level(table, f"resource.graph[{i}]", known)
        known.add(level.name)
        levels.append(level)
    return levels


def _level(table: Mapping[str, Any], where: str, known: set[str]) -> _Level:
    for key, value in table.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise BournError(f"{where}.{key}: unknown key{suggest(key, _KEYS)}")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BournError(f"{where}.{key}: must be {kind.__name__}, not {value!r}")
    if "type" not in table:
        raise BournError(f"{where}.type: is missing")
    hosts = list(Hostlist(table.get("hosts", "")))
    above = table.get("in", "cluster")
    if above not in known:
        raise BournError(f"{where}.in: '{above}' is no level above{suggest(above, known)}")
    number = table.get("number", "global" if table["type"] == "node" else "node")
    if number not in _NUMBER:
        raise BournError(f"{where}.number: must be one of {', '.join(_NUMBER)}, not '{number}'")
    for key in ("count", "size"):
        if table.get(key, 1) < 1:
            raise BournError(f"{where}.{key}: must be at least 1, not {table[key]}")
    properties = {}
    for text in table.get("properties", ()):
        key, _, value = str(text).partition("=")
        properties[key] = value
    return _Level(
        table.get("name", table["type"]),
        table["type"],
        above,
        table.get("count", len(hosts) or 1),
        table.get("basename", table["type"]),
        table.get("size", 1),
        table.get("unit", ""),
        properties,
        hosts,
        number,
        table.get("subsystem", "containment"),
        table.get("links", ""),
    )


@define(eq=False)
class _Made:
    handle: int
    node: int
    rank: int


def build_levels(builder: GraphBuilder, levels: list[_Level]) -> None:
    """Add all levels under one cluster."""
    made: dict[str, list[_Made]] = {"cluster": [_Made(builder.vertex("cluster", id=0), -1, -1)]}
    rank = 0
    parents = {level.above for level in levels} | {level.links for level in levels}
    for level in levels:
        above = made[level.above]
        if level.subsystem != "containment":
            made[level.name] = _other(builder, level, made)
            continue
        if level.type != "node" and level.name not in parents and not level.properties:
            builder.leaves(
                [parent.handle for parent in above for _ in range(level.count)],
                level.type,
                level.basename,
                level.size,
                level.unit,
                _ids(level, above),
                ranked=True,
            )
            made[level.name] = []
            continue
        ids = iter(_ids(level, above))
        hosts = iter(level.hosts)
        mine: list[_Made] = []
        for parent in above:
            for _ in range(level.count):
                own_rank, basename, id, name = parent.rank, level.basename, next(ids), ""
                if level.type == "node":
                    own_rank, rank = rank, rank + 1
                    name = next(hosts, "")
                    if name:
                        basename, id = split_host(name)
                handle = builder.vertex(
                    level.type,
                    parent.handle,
                    basename=basename,
                    id=id,
                    name=name,
                    rank=own_rank,
                    size=level.size,
                    unit=level.unit,
                    properties=level.properties,
                )
                node = len(mine) if level.type == "node" else parent.node
                mine.append(_Made(handle, node, own_rank))
        made[level.name] = mine


def _ids(level: _Level, above: list[_Made]) -> list[int]:
    """Number the vertices of a level: anew in each parent, in each node, or throughout."""
    ids: list[int] = []
    next_id = 0
    for i, parent in enumerate(above):
        fresh = level.number == "parent" or (
            level.number == "node" and (parent.node == -1 or i == 0 or above[i - 1].node != parent.node)
        )
        if fresh and (level.number == "parent" or parent.node != -1):
            next_id = 0
        ids.extend(range(next_id, next_id + level.count))
        next_id += level.count
    return ids


def _other(builder: GraphBuilder, level: _Level, made: dict[str, list[_Made]]) -> list[_Made]:
    """Make the sources of another subsystem and link each to its share of the level that it serves."""
    served = made.get(level.links)
    if not served:
        raise BournError(f"resource.graph '{level.name}': links must name a level above, not '{level.links}'")
    root = builder.vertex(level.subsystem, id=0, subsystem=level.subsystem)
    mine: list[_Made] = []
    share = -(-len(served) // level.count)
    for k in range(level.count):
        handle = builder.vertex(
            level.type,
            root,
            basename=level.basename,
            id=k,
            size=level.size,
            unit=level.unit,
            subsystem=level.subsystem,
        )
        for target in served[k * share : (k + 1) * share]:
            builder.edge(handle, target.handle, level.subsystem)
        mine.append(_Made(handle, -1, -1))
    return mine
