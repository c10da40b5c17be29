"""What the scheduler says about what it has: a vertex, the whole graph, what is allocated or down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet
from bourn_plugins.sched_graph.engine.allocation import rset_of
from bourn_plugins.sched_graph.resources.graph import CONTAINMENT
from bourn_plugins.sched_graph.resources.merge import vertex_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn_plugins.sched_graph.engine.engine import Engine
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex


def vertex_facts(engine: Engine, path: str) -> dict[str, Any]:
    """Return what there is to say of a vertex (`bourn.client.resource.vertex`); BournError if there is
    none.
    """
    vertex = vertex_at(engine.graph, path)
    below = {each.index for each in engine.graph.subtree(vertex)}
    jobs = [
        job
        for job, parts in engine.jobs.items()
        if any(
            engine.cells[atom].vertex.index in below
            or any(each.index in below for each in engine.vertices([(atom, pick)]))
            for atom, pick in parts
        )
    ]
    kids = {kid.name: None for subsystem in (CONTAINMENT, *engine.graph.links) for kid in
            engine.graph.out(vertex, subsystem)}  # fmt: skip
    return {
        "path": vertex.path,
        "type": vertex.type,
        "id": vertex.id,
        "rank": vertex.rank,
        "size": vertex.size,
        "unit": vertex.unit,
        "up": "up" if engine.is_up(vertex) else "down",
        "properties": dict(vertex.properties or {}),
        "paths": vertex.all_paths(),
        "jobs": sorted(jobs),
        "children": list(kids),
    }


def graph_document(graph: ResourceGraph) -> str:
    """Return the whole graph as a JSON Graph Format document (RFC 4), with all subsystems."""
    nodes = [{"id": str(vertex.index), "metadata": _metadata(vertex)} for vertex in graph]
    edges: list[dict[str, Any]] = []
    for vertex in graph:
        edges.extend({"source": str(vertex.index), "target": str(kid.index)} for kid in vertex.kids)
    for subsystem, table in graph.links.items():
        for source, targets in table.items():
            edges.extend(
                {"source": str(source), "target": str(target.index), "metadata": {"subsystem": subsystem}}
                for target in targets
            )
    return json.dumps({"graph": {"nodes": nodes, "edges": edges}}) + "\n"


def _metadata(vertex: Vertex) -> dict[str, Any]:
    found: dict[str, Any] = {"type": vertex.type}
    if vertex.basename != vertex.type:
        found["basename"] = vertex.basename
    if vertex.name != f"{vertex.basename}{vertex.id}":
        found["name"] = vertex.name
    found["id"] = vertex.id
    found["uniq_id"] = vertex.uniq_id
    if vertex.rank >= 0:
        found["rank"] = vertex.rank
    if vertex.size != 1:
        found["size"] = vertex.size
    if vertex.unit:
        found["unit"] = vertex.unit
    if vertex.properties:
        found["properties"] = vertex.properties
    if not vertex.up:
        found["status"] = 1
    found["paths"] = vertex.all_paths()
    return found


def status_of(engine: Engine, everything: Mapping[str, Any]) -> dict[str, Any]:
    """Return R of all, R of what is down, and R of what is allocated; None where there is none."""
    total = ResourceSet.from_dict(everything)
    nodes = engine.graph.nodes()
    down = IdSet(vertex.rank for vertex in nodes if vertex.rank >= 0 and not engine.is_up(vertex))
    held: ResourceSet | None = None
    for parts in engine.jobs.values():
        one = ResourceSet.from_dict(rset_of(engine, parts, 0.0, 0.0))
        held = one if held is None else held.union(one)
    return {
        "all": everything,
        "allocated": held.to_dict() if held is not None else None,
        "down": total.copy_ranks(down).to_dict() if down else None,
    }
