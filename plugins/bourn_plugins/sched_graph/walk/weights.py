"""The order in which an early-stopping policy looks at what lies below a vertex: the least used first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex

UNUSED = (1 << 64) - 1
"""The weight of an edge that was never used: more than any subtree can have left."""


class EdgeWeights:
    """A weight for each edge of a subsystem; a vertex's are ordered by (weight, uniq_id), descending."""

    def __init__(self, graph: ResourceGraph, subsystem: str) -> None:
        self._graph = graph
        self._subsystem = subsystem
        self._weights: dict[tuple[int, int], int] = {}
        self._orders: dict[int, list[Vertex]] = {}

    def order(self, vertex: Vertex) -> list[Vertex]:
        """Return what lies right below a vertex, in the order in which to look at it."""
        order = self._orders.get(vertex.index)
        if order is None:
            weights, source = self._weights, vertex.index
            order = self._orders[source] = sorted(
                self._graph.out(vertex, self._subsystem),
                key=lambda kid: (weights.get((source, kid.index), UNUSED), kid.uniq_id),
                reverse=True,
            )
        return order

    def set(self, vertex: Vertex, kid: Vertex, weight: int) -> None:
        """Set the weight of an edge, after something below it was allocated."""
        self._weights[vertex.index, kid.index] = weight
        self._orders.pop(vertex.index, None)

    def forget_order(self) -> None:
        """Sort anew: the graph has changed."""
        self._orders.clear()
