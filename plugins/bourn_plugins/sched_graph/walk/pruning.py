"""Prune filters: at which vertices a subtree's units are counted by type, so that whole subtrees can be
passed by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn_plugins.sched_graph.resources.graph import CONTAINMENT

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex

ANY = "ALL"
DEFAULT_FILTERS = "ALL:core,ALL:node"
_FIRST = ("cluster", "core", "socket", "gpu", "node", "rack", "slot", "ssd")


class PruneFilters:
    """``HL:LL`` pairs: vertices of type HL (ALL is any) keep a count of the LL below them."""

    def __init__(self, spec: str = DEFAULT_FILTERS) -> None:
        self._at: dict[str, dict[str, None]] = {}
        self.tracked: set[str] = set()
        for pair in spec.split(","):
            high, colon, low = (part.strip() for part in pair.partition(":"))
            if not colon or not high or not low:
                raise BournError(f"prune filter '{pair.strip()}': must be HIGH:LOW, as in ALL:core")
            self.add(high, low)

    def add(self, high: str, low: str) -> None:
        """Track `low` at vertices of type `high`."""
        if high == ANY:
            for types in self._at.values():
                types.pop(low, None)
            self._at.setdefault(ANY, {})[low] = None
        elif low not in self._at.get(ANY, ()):
            self._at.setdefault(high, {})[low] = None
        self.tracked.add(low)

    def at(self, type: str) -> tuple[str, ...]:
        """Return the types that a vertex of a type counts; the last is the one that ``first`` goes by."""
        own = sorted(self._at.get(type, ()), key=_rank)
        return (*own, *sorted(self._at.get(ANY, ()), key=_rank))


def _rank(type: str) -> tuple[int, str]:
    return (_FIRST.index(type) if type in _FIRST else len(_FIRST), type)


def count_below(graph: ResourceGraph, subsystem: str, filters: PruneFilters) -> dict[int, dict[str, int]]:
    """Return, for each vertex that has something below it, the units there of the types it is to count.

    Types of vertices with nothing below them are always counted at the cluster, so that an impossible
    request is seen at once.
    """
    root = graph.roots.get(subsystem)
    if root is None:
        raise BournError(f"the resource graph has no {subsystem} subsystem")
    order = graph.reachable(subsystem)
    for vertex in order:
        if vertex.type not in filters.tracked and graph.is_leaf(vertex):
            filters.add("cluster", vertex.type)
    tracked = filters.tracked
    kept = {type: filters.at(type) for type in {vertex.type for vertex in order}}
    result: dict[int, dict[str, int]] = {}
    if subsystem != CONTAINMENT:
        _count_once(graph, subsystem, root, tracked, kept, result, {root.index})
        return result
    sums: dict[int, dict[str, int]] = {}
    for vertex in reversed(order):
        if not vertex.kids:
            continue
        total: dict[str, int] = {}
        for kid in vertex.kids:
            if kid.type in tracked:
                total[kid.type] = total.get(kid.type, 0) + kid.size
            for type, units in sums.pop(kid.index, _NONE).items():
                total[type] = total.get(type, 0) + units
        sums[vertex.index] = total
        result[vertex.index] = {type: total.get(type, 0) for type in kept[vertex.type]}
    return result


def _count_once(
    graph: ResourceGraph,
    subsystem: str,
    vertex: Vertex,
    tracked: set[str],
    kept: dict[str, tuple[str, ...]],
    result: dict[int, dict[str, int]],
    seen: set[int],
) -> dict[str, int]:
    """Count where a vertex may be below several: it counts for the first by which it is reached."""
    total: dict[str, int] = {}
    for kid in graph.out(vertex, subsystem):
        if kid.index in seen:
            continue
        seen.add(kid.index)
        if kid.type in tracked:
            total[kid.type] = total.get(kid.type, 0) + kid.size
        for type, units in _count_once(graph, subsystem, kid, tracked, kept, result, seen).items():
            total[type] = total.get(type, 0) + units
    if not graph.is_leaf(vertex):
        result[vertex.index] = {type: total.get(type, 0) for type in kept[vertex.type]}
    return total


_NONE: dict[str, int] = {}
