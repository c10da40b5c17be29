"""Machines that canonical jobspecs of any shape are tried on."""

from __future__ import annotations

from typing import Any

from bourn_plugins.sched_graph.resources.graph import ResourceGraph


class Machine:
    """A graph that is built level by level; nodes get ranks in the order in which they are added."""

    def __init__(self, root: str = "cluster") -> None:
        self.graph = ResourceGraph()
        self.root = self.graph.vertex(root, id=0)
        self._nodes = 0
        self._ids: dict[str, int] = {}

    def add(self, type: str, parent: Any = None, *, size: int = 1) -> Any:
        """Add a vertex that is no node, with the next id of its type."""
        id = self._ids[type] = self._ids.get(type, -1) + 1
        return self.graph.vertex(type, self.root if parent is None else parent, id=id, size=size)

    def node(self, parent: Any = None, **content: int) -> Any:
        """Add a node; `content` is how many of each type it contains, ``sockets`` of which share the rest."""
        rank = self._nodes
        self._nodes += 1
        above = self.root if parent is None else parent
        node = self.graph.vertex("node", above, id=rank, name=f"n{rank}", rank=rank)
        sockets = content.pop("sockets", 0)
        holders = [self.graph.vertex("socket", node, id=i, rank=rank) for i in range(sockets)] or [node]
        for type, number in content.items():
            for i in range(number):
                self.graph.vertex(type, holders[i * len(holders) // number], id=i, rank=rank)
        return node


def flat() -> ResourceGraph:
    """Three switches of two nodes; all is right in the nodes, of which two have a property."""
    machine = Machine()
    for _ in range(3):
        switch = machine.add("switch")
        for _ in range(2):
            machine.node(switch, core=16, gpu=4, memory=64)
    for node in machine.graph.nodes()[4:]:
        node.properties = {"amd-mi50": ""}
    return machine.graph


def sockets() -> ResourceGraph:
    """Six nodes of two sockets, each of four cores and eight pieces of memory."""
    machine = Machine()
    for _ in range(6):
        machine.node(sockets=2, core=8, memory=16)
    return machine.graph


def center() -> ResourceGraph:
    """Two clusters of three nodes, of which two have a network card of their own, beside a switch of two."""
    machine = Machine("center")
    for number in (2, 0):
        cluster = machine.add("cluster")
        for k in range(3):
            machine.node(cluster, core=30, memory=4, **({"ib10g": 1} if k < number else {}))
    switch = machine.add("switch")
    for _ in range(2):
        machine.node(switch, core=2)
    return machine.graph
