"""A TOML description of a graph: reads ``[[resource.graph]]`` tables, and makes all that they describe."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from attrs import define

from bourn.config.locate import locate
from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources
from bourn_plugins.graph_readers.gather import Gatherer
from bourn_plugins.graph_readers.levels import CONTAINMENT, TOP, Level, Wrong, parse_levels
from bourn_plugins.graph_readers.rv1 import split_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.resource_io import GraphBuilder


def read_toml(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read the tables; BournError names the line, the table and the key that is wrong."""
    try:
        text = content.decode()
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BournError(f"not a TOML document: {error}") from None
    gatherer = Gatherer()
    try:
        levels = parse_levels(document)
        build_levels(gatherer, levels)
    except Wrong as wrong:
        line = locate(text, wrong.path)
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in wrong.path)
        place = f"line {line}: " if line else ""
        raise BournError(f"{place}{where.lstrip('.')}: {wrong.reason}") from None
    return Resources(R=gatherer.rset(), build=lambda builder: build_levels(builder, levels))


def build_levels(builder: GraphBuilder, levels: list[Level]) -> None:
    """Add all levels under one cluster; raises Wrong."""
    _Maker(builder, levels).run()


@define(eq=False)
class _Made:
    handle: int
    node: int
    """The handle of the node that it lies in; -1 above nodes."""
    rank: int


class _Maker:
    def __init__(self, builder: GraphBuilder, levels: list[Level]) -> None:
        self.builder = builder
        self.levels = levels
        self.made: dict[str, list[_Made]] = {}
        self.parents = {name for level in levels for name in (*level.above, level.links)}
        self.rank = 0
        self.hosts: set[str] = set()
        self.counters: dict[tuple[int, str], int] = {}
        """The next id by where ids are counted (a handle; -1: throughout) and basename."""
        self.roots: dict[str, _Made] = {}

    def run(self) -> None:
        levels = self.levels
        basename = TOP
        if levels[0].type == TOP:
            basename, levels = levels[0].basename, levels[1:]
        self.made[TOP] = [_Made(self.builder.vertex(TOP, basename=basename, id=0), -1, -1)]
        for level in levels:
            if level.type == TOP:
                raise level.wrong("type", f"there is one {TOP}, and its table comes first")
            mine = self._contained(level) if level.subsystem == CONTAINMENT else self._supplying(level)
            self.made.setdefault(level.name, []).extend(mine)

    def _above(self, level: Level) -> list[_Made]:
        return [made for name in level.above for made in self.made[name]]

    def _contained(self, level: Level) -> list[_Made]:
        above = self._above(level)
        count = self._count(level, len(above))
        if level.type != "node" and level.name not in self.parents and not level.properties:
            self.builder.leaves(
                [parent.handle for parent in above for _ in range(count)],
                level.type,
                level.basename,
                level.size,
                level.unit,
                [id for parent in above for id in self._ids(level, parent, count)],
                ranked=True,
            )
            return []
        hosts = iter(level.hosts)
        mine: list[_Made] = []
        for parent in above:
            for id in self._ids(level, parent, count):
                if level.type == "node":
                    mine.append(self._node(level, parent, id, next(hosts, "")))
                else:
                    handle = self._vertex(level, parent, id, parent.rank, level.properties)
                    mine.append(_Made(handle, parent.node, parent.rank))
        self._check_hosts(level)
        return mine

    def _count(self, level: Level, parents: int) -> int:
        """Return how many there are in each parent."""
        hosts = len(level.hosts)
        if level.count is None:
            if hosts % parents:
                raise level.wrong(
                    "hosts", f"{hosts} names can't be shared out among {parents} {level.above[0]}s"
                )
            return hosts // parents
        if hosts and hosts != level.count * parents:
            raise level.wrong("hosts", f"{hosts} names for {level.count * parents} nodes")
        return level.count

    def _ids(self, level: Level, parent: _Made, count: int) -> range:
        """Number the vertices of a level: anew in each parent, in each node, or throughout."""
        scope = {"parent": parent.handle, "node": parent.node, "global": -1}[level.number]
        key = (scope, level.basename)
        first = self.counters.get(key, 0)
        self.counters[key] = first + count
        return range(first, first + count)

    def _node(self, level: Level, parent: _Made, id: int, host: str) -> _Made:
        rank, self.rank = self.rank, self.rank + 1
        name = host or f"{level.basename}{id}"
        if name in self.hosts:
            raise level.wrong("hosts" if host else "basename", f"there are two nodes of the name {name}")
        self.hosts.add(name)
        basename, number = split_host(host) if host else (level.basename, id)
        properties = {**level.properties}
        for text, hosts in level.some.items():
            if name in hosts:
                key, _, value = text.partition("=")
                properties[key] = value
        handle = self.builder.vertex(
            level.type,
            parent.handle,
            basename=basename,
            id=number,
            name=name,
            rank=rank,
            size=level.size,
            unit=level.unit,
            properties=properties,
        )
        return _Made(handle, handle, rank)

    def _check_hosts(self, level: Level) -> None:
        for text, hosts in level.some.items():
            odd = sorted(hosts - self.hosts)
            if odd:
                raise level.wrong("properties", f"{text}: there is no node {odd[0]}")

    def _vertex(
        self, level: Level, parent: _Made, id: int, rank: int, properties: Mapping[str, str] | None = None
    ) -> int:
        return self.builder.vertex(
            level.type,
            parent.handle,
            basename=level.basename,
            id=id,
            rank=rank,
            size=level.size,
            unit=level.unit,
            properties=properties,
            subsystem=level.subsystem,
        )

    def _supplying(self, level: Level) -> list[_Made]:
        """Make what stands in another subsystem, and link each to its share of the level that it serves."""
        above = [self._root(level.subsystem)] if level.above == [TOP] else self._above(level)
        count = level.count or 1
        mine = [
            _Made(self._vertex(level, parent, id, -1), -1, -1)
            for parent in above
            for id in self._ids(level, parent, count)
        ]
        if not level.links:
            if level.name not in self.parents:
                raise level.wrong("links", "is missing: which level does it serve?")
            return mine
        served = self.made.get(level.links)
        if not served:
            what = (
                "has nothing in it"
                if any(each.name == level.links for each in self.levels)
                else "is no level"
            )
            raise level.wrong("links", f"must name a level above; '{level.links}' {what}")
        share = -(-len(served) // len(mine))
        for k, made in enumerate(mine):
            for target in served[k * share : (k + 1) * share]:
                self.builder.edge(made.handle, target.handle, level.subsystem)
        return mine

    def _root(self, subsystem: str) -> _Made:
        root = self.roots.get(subsystem)
        if root is None:
            handle = self.builder.vertex(subsystem, id=0, subsystem=subsystem)
            root = self.roots[subsystem] = _Made(handle, -1, -1)
        return root
