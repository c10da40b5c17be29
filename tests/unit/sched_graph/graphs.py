"""Small graphs and requests for tests."""

from __future__ import annotations

from typing import Any

from bourn_plugins.sched_graph.resources.graph import ResourceGraph


def cluster(
    racks: int = 0,
    nodes: int = 2,
    sockets: int = 0,
    cores: int = 4,
    gpus: int = 0,
    memory: int = 0,
    ssds: int = 0,
    pfs: int = 0,
    piece: int = 2,
) -> ResourceGraph:
    """A cluster of nodes, with racks and sockets where asked for. `nodes` and `ssds` (100 GB each) are
    numbers per rack; `pfs` is the number of file systems (1000 GB) at the top, `piece` the size of a memory.
    """
    graph = ResourceGraph()
    root = graph.vertex("cluster", id=0)
    above = [graph.vertex("rack", root, id=i) for i in range(racks)] or [root]
    rank = 0
    for i in range(pfs):
        graph.vertex("pfs", root, id=i, size=1000, unit="GB")
    for parent in above:
        for i in range(ssds):
            graph.vertex("ssd", parent, id=i, size=100, unit="GB")
        for i in range(nodes):
            number = i if racks else rank
            node = graph.vertex("node", parent, id=number, rank=rank)
            rank += 1
            holders = [graph.vertex("socket", node, id=s, rank=rank - 1) for s in range(sockets)] or [node]
            for s, holder in enumerate(holders):
                for c in range(cores):
                    graph.vertex("core", holder, id=s * cores + c, rank=rank - 1)
                for g in range(gpus):
                    graph.vertex("gpu", holder, id=s * gpus + g, rank=rank - 1)
                for m in range(memory):
                    graph.vertex("memory", holder, id=s * memory + m, rank=rank - 1, size=piece)
    return graph


def jobspec(resources: list[dict[str, Any]], duration: float = 0, **system: Any) -> dict[str, Any]:
    return {
        "version": 9999,
        "resources": resources,
        "tasks": [{"command": ["true"], "slot": "s", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": duration, **system}},
    }


def slot(count: Any, *children: dict[str, Any]) -> dict[str, Any]:
    return {"type": "slot", "count": count, "label": "s", "with": list(children)}


def res(
    type: str, count: Any = 1, *children: dict[str, Any], exclusive: bool | None = None
) -> dict[str, Any]:
    item: dict[str, Any] = {"type": type, "count": count}
    if children:
        item["with"] = list(children)
    if exclusive is not None:
        item["exclusive"] = exclusive
    return item
