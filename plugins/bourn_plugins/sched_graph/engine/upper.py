"""What lies above the atoms: the cluster, its racks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.engine.index import Order
    from bourn_plugins.sched_graph.resources.graph import Vertex


@define(eq=False)
class Upper:
    """A vertex above the atoms: the cluster, a rack."""

    vertex: Vertex
    atoms: list[int]
    """The atoms below it."""
    direct: frozenset[str]
    """The types of the atoms right below it."""
    children: list[int]
    """The atoms right below it."""
    uppers: list[Upper] = field(factory=list)
    masks: dict[tuple[int, bool], int] = field(factory=dict)

    def mask(self, order: Order, direct: bool = False) -> int:
        """Return the mask of what is below it, or right below it."""
        key = (id(order), direct)
        mask = self.masks.get(key)
        if mask is None:
            mask = self.masks[key] = order.mask(self.children if direct else self.atoms)
        return mask
