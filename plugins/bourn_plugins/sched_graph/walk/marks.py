"""What a walk has selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.sched_graph.resources.graph import CONTAINMENT

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex
    from bourn_plugins.sched_graph.walk.ledger import Draw
    from bourn_plugins.sched_graph.walk.tally import Found


class Marks:
    """Marked edges of a subsystem: what can be reached by them from the root is selected."""

    def __init__(self, graph: ResourceGraph, subsystem: str) -> None:
        self._graph = graph
        self._subsystem = subsystem
        self._above: dict[int, Vertex] | None = None
        self.clear()

    def clear(self) -> None:
        """Select nothing."""
        self.edges: dict[tuple[int, int], tuple[int, bool]] = {}
        """(parent, vertex) -> (units, exclusive)."""
        self.root = (0, False)
        """The same of the root."""
        self.labels: dict[int, str] = {}
        """Vertex -> what the request calls it."""
        self.draws: list[Draw] = []
        """What is drawn from suppliers."""

    def refresh(self) -> None:
        """Look at the relations anew: the graph has changed."""
        self._above = None

    def _parent(self, vertex: Vertex) -> Vertex | None:
        if self._subsystem == CONTAINMENT:
            return vertex.parent
        if self._above is None:
            self._above = {}
            for source, kids in self._graph.links.get(self._subsystem, {}).items():
                above = self._graph.vertices[source]
                assert above is not None
                for kid in kids:
                    self._above.setdefault(kid.index, above)
        return self._above.get(vertex.index)

    def take(self, found: Found, under: Vertex | None) -> None:
        """Mark what was chosen, with the levels between it and `under` (None: up to the root) that the
        request left out.
        """
        edges = self.edges
        for tally in found.tallies.values():
            if not tally.wanted:
                continue
            for group in tally.groups[: tally.chosen]:
                if group.root:
                    continue
                for parent, kid, units, exclusive in group.edges:
                    edges[parent.index, kid.index] = (units, exclusive)
                    if parent is not under:
                        self._take_between(parent, under, found)

    def _take_between(self, vertex: Vertex, under: Vertex | None, found: Found) -> None:
        """Mark a level that was left out, and those above it: shared, and whole."""
        parent = self._parent(vertex)
        while parent is not None:
            key = (parent.index, vertex.index)
            if key in self.edges:
                return
            tally = found.tallies.get(vertex.type)
            if tally is not None and not tally.wanted:
                self.edges[key] = (vertex.size, False)
            if parent is under:
                return
            vertex, parent = parent, self._parent(parent)
