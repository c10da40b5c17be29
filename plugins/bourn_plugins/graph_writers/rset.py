"""Resource sets: R_lite and R version 1 with and without a scheduling key (RFC 20)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.model.hostlist import Hostlist
from bourn_plugins.graph_writers.jgf import dumps, jgf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.resource_io import Selection

_CHILDREN = ("core", "gpu")


def ranges(ids: Iterable[int]) -> str:
    """Return sorted ids as ranges, ``0-3,7``; an id that comes twice is written twice."""
    parts: list[str] = []
    first = last = None
    for number in sorted(ids):
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None:
            parts.append(str(first) if first == last else f"{first}-{last}")
        first = last = number
    if first is not None:
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts)


class _Lite:
    """Gathers nodes by what they have: equal children are one entry."""

    def __init__(self, selection: Selection) -> None:
        self.entries: dict[str, list[tuple[int, str]]] = {}
        self.properties: dict[str, list[int]] = {}
        pending: dict[str, list[int]] = {}
        for vertex in selection.vertices:
            if vertex.type in _CHILDREN:
                pending.setdefault(vertex.type, []).append(vertex.id)
            elif vertex.type == "node" and pending:
                children = {type: ranges(pending[type]) for type in _CHILDREN if type in pending}
                pending = {}
                self.entries.setdefault(json.dumps(children), []).append((vertex.rank, vertex.name))
                for key, value in vertex.properties.items():
                    name = f"{key}={value}" if value else key
                    self.properties.setdefault(name, []).append(vertex.rank)

    def lite(self) -> list[dict[str, Any]]:
        return [
            {"rank": ranges(rank for rank, _ in hosts), "children": json.loads(children)}
            for children, hosts in sorted(self.entries.items())
        ]

    def execution(self, selection: Selection) -> dict[str, Any]:
        hosts = sorted((host for hosts in self.entries.values() for host in hosts), key=lambda host: host[0])
        execution: dict[str, Any] = {
            "R_lite": self.lite(),
            "nodelist": [str(Hostlist([name for _, name in hosts]))],
        }
        if self.properties:
            execution["properties"] = {name: ranges(ranks) for name, ranks in sorted(self.properties.items())}
        execution["starttime"] = selection.starttime
        execution["expiration"] = selection.expiration
        return execution


def write_rlite(selection: Selection) -> str:
    """Write only R_lite; nothing if no node has a core or gpu selected."""
    lite = _Lite(selection).lite()
    return dumps(lite) if lite else ""


def rv1(selection: Selection, scheduling: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return R, or None if no node has a core or gpu selected."""
    gathered = _Lite(selection)
    if not gathered.entries:
        return None
    document: dict[str, Any] = {"version": 1, "execution": gathered.execution(selection)}
    if scheduling is not None:
        document["scheduling"] = scheduling
        if selection.attributes:
            document["attributes"] = {"system": {"scheduler": dict(selection.attributes)}}
    return document


def write_rv1_nosched(selection: Selection) -> str:
    """Write R without a scheduling key."""
    document = rv1(selection, None)
    return "" if document is None else dumps(document)


def write_rv1(selection: Selection) -> str:
    """Write R whose scheduling key is the JGF."""
    document = rv1(selection, jgf(selection))
    return "" if document is None else dumps(document)


def write_rv1_shorthand(selection: Selection) -> str:
    """Write R whose scheduling key is the short JGF."""
    document = rv1(selection, jgf(selection, shorthand=True))
    return "" if document is None else dumps(document)
