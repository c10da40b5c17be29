"""Auxiliary subsystems: what supplies the vertices that are walked (a PDU, a switch, a file system), and
what jobs draw from it.

A supplier has a relation to what it supplies; above it in its subsystem stand its own suppliers. A vertex
can be used if, in each auxiliary subsystem that it is in, one chain of suppliers up to the root is up and
has something left. Units that a request asks of a supplier are taken at that supplier, and at those above
it that count in the same unit: a panel limits its PDUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.sched_graph.walk.ledger import Draw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn_plugins.sched_graph.request import Need
    from bourn_plugins.sched_graph.resources.graph import Vertex
    from bourn_plugins.sched_graph.walk.ledger import Ledger
    from bourn_plugins.sched_graph.walk.window import Window


class Supplies:
    """The suppliers of the vertices of a graph, in some subsystems."""

    def __init__(self, ledger: Ledger, subsystems: Iterable[str]) -> None:
        self._ledger = ledger
        self._names = tuple(subsystems)
        self._above: dict[str, dict[int, list[Vertex]]] = {}
        self._chains: dict[tuple[str, int], list[tuple[Vertex, ...]]] = {}
        self.types: frozenset[str] = frozenset()
        """The types that are only to be had from suppliers."""
        self.refresh()

    def refresh(self) -> None:
        """Look at the relations anew: the graph has changed."""
        graph = self._ledger.graph
        self._chains.clear()
        self._above = {name: {} for name in self._names}
        types: set[str] = set()
        for name, above in self._above.items():
            for source, targets in graph.links.get(name, {}).items():
                supplier = graph.vertices[source]
                assert supplier is not None
                types.add(supplier.type)
                for target in targets:
                    above.setdefault(target.index, []).append(supplier)
        if types:
            walked = {vertex.type for vertex in graph.reachable(self._ledger.subsystem)}
            types -= walked
        self.types = frozenset(types)

    def usable(self, vertex: Vertex, window: Window) -> bool:
        """Whether nothing that supplies a vertex is down or used up."""
        for name in self._names:
            if vertex.index in self._above[name] and not any(self._whole_chains(name, vertex, window)):
                return False
        return True

    def _whole_chains(self, name: str, vertex: Vertex, window: Window) -> Iterable[tuple[Vertex, ...]]:
        """Yield the chains of suppliers, nearest first, that are up and have something left."""
        free = self._ledger.free
        return (
            chain
            for chain in self._up(name, vertex)
            if all((each.up or window.ever) and free(each, window.start, window.end) > 0 for each in chain)
        )

    def _up(self, name: str, vertex: Vertex) -> list[tuple[Vertex, ...]]:
        key = (name, vertex.index)
        found = self._chains.get(key)
        if found is None:
            # A chain that leads back to where it was ends there.
            self._chains[key] = []
            found = [
                (supplier, *rest)
                for supplier in self._above[name].get(vertex.index, ())
                for rest in self._up(name, supplier) or [()]
            ]
            self._chains[key] = found
        return found

    def pools(self, vertex: Vertex, type: str, window: Window) -> Iterable[list[Vertex]]:
        """Yield, for each way in which a vertex can be supplied with a type, the pools that all give."""
        for name in self._names:
            for chain in self._whole_chains(name, vertex, window):
                for i, first in enumerate(chain):
                    if first.type == type:
                        unit = first.unit
                        yield [v for v in chain[i:] if v.type == type or (unit and v.unit == unit)]
                        break


class Budget:
    """What is left of pools while one vertex's share is chosen. `draws` is what has been taken."""

    def __init__(self, supplies: Supplies, ledger: Ledger, window: Window) -> None:
        self._supplies = supplies
        self._ledger = ledger
        self._window = window
        self._taken: dict[int, int] = {}
        self.draws: list[Draw] = []

    def _left(self, pool: Vertex) -> int:
        window = self._window
        return self._ledger.free(pool, window.start, window.end) - self._taken.get(pool.index, 0)

    def draw(self, vertex: Vertex, need: Need) -> bool:
        """Take what a need asks of the suppliers of a vertex; False if none has it."""
        for pools in self._supplies.pools(vertex, need.type, self._window):
            units = need.count.choose(min(map(self._left, pools)))
            if units:
                self.take([Draw(vertex, pool, units) for pool in pools])
                return True
        return False

    def take(self, draws: Iterable[Draw]) -> None:
        """Take what was found out before."""
        for each in draws:
            self._taken[each.pool.index] = self._taken.get(each.pool.index, 0) + each.units
            self.draws.append(each)

    def fits(self, draws: Iterable[Draw]) -> bool:
        """Whether all of these can be taken together."""
        wanted: dict[int, int] = {}
        pools: dict[int, Vertex] = {}
        for each in draws:
            wanted[each.pool.index] = wanted.get(each.pool.index, 0) + each.units
            pools[each.pool.index] = each.pool
        return all(units <= self._left(pools[index]) for index, units in wanted.items())

    def copy(self) -> Budget:
        """Return one to try things out on."""
        other = Budget(self._supplies, self._ledger, self._window)
        other._taken = dict(self._taken)
        return other
