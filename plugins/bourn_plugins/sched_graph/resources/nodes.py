"""The resource set R (RFC 20) that the nodes of a graph amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex

HWLOC_TYPES = ("node", "group", "numanode", "socket", "core", "gpu")
"""What is read of an hwloc description: a job gets cores and GPUs, not what is inside of a core."""


def rset_of_nodes(graph: ResourceGraph, nodes: Iterable[Vertex], *, up: bool = False) -> ResourceSet:
    """Return the cores, GPUs and properties of nodes with ranks; with `up`, only what is up in them."""
    found: list[tuple[int, str, IdSet, IdSet]] = []
    properties: dict[str, set[int]] = {}
    for node in nodes:
        masks = {"core": 0, "gpu": 0}
        stack = [node]
        while stack:
            vertex = stack.pop()
            if up and not vertex.up:
                continue
            if vertex.type in masks and vertex.id >= 0:
                masks[vertex.type] |= 1 << vertex.id
            stack.extend(vertex.kids)
        found.append((node.rank, node.name, IdSet.from_mask(masks["core"]), IdSet.from_mask(masks["gpu"])))
        for name, value in (node.properties or {}).items():
            properties.setdefault(f"{name}={value}" if value else name, set()).add(node.rank)
    rset = ResourceSet.from_nodes(sorted(found, key=lambda entry: entry[0]))
    rset.properties = {name: IdSet(ranks) for name, ranks in sorted(properties.items())}
    return rset
