"""JSON Graph Format: the selected vertices and the edges between them (RFC 4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.hookspecs.resource_io import SelectedVertex, Selection


def jgf(selection: Selection, *, shorthand: bool = False) -> dict[str, Any]:
    """Return the graph as JSON objects; `shorthand` leaves out all below an exclusive vertex."""
    vertices = selection.vertices
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for vertex in vertices:
        if shorthand and vertex.exclusive_above:
            continue
        nodes.append({"id": str(vertex.uniq_id), "metadata": _metadata(vertex)})
        if vertex.parent < 0:
            continue
        edge: dict[str, Any] = {
            "source": str(vertices[vertex.parent].uniq_id),
            "target": str(vertex.uniq_id),
        }
        if selection.subsystem != "containment":
            edge["metadata"] = {"subsystem": selection.subsystem}
        edges.append(edge)
    return {"graph": {"nodes": nodes, "edges": edges}}


def _metadata(vertex: SelectedVertex) -> dict[str, Any]:
    data: dict[str, Any] = {"type": vertex.type}
    if vertex.basename != vertex.type:
        data["basename"] = vertex.basename
    if vertex.name != f"{vertex.basename}{vertex.id}":
        data["name"] = vertex.name
    data["id"] = vertex.id
    data["rank"] = vertex.rank
    if vertex.properties:
        data["properties"] = dict(vertex.properties)
    if vertex.unit:
        data["unit"] = vertex.unit
    if vertex.exclusive:
        data["exclusive"] = True
    if vertex.size != 1:
        data["size"] = vertex.size
    if vertex.paths:
        data["paths"] = dict(vertex.paths)
    data.update((key, dict(value)) for key, value in vertex.extra.items())
    return data


def dumps(document: object) -> str:
    """Return one line of JSON, spaced as the field's tools space it."""
    return json.dumps(document, ensure_ascii=False) + "\n"


def write_jgf(selection: Selection) -> str:
    """Write JGF; a graph has edges, so a lone vertex is refused."""
    document = jgf(selection)
    _check(document)
    return dumps(document)


def write_jgf_shorthand(selection: Selection) -> str:
    """Write JGF without what lies below exclusive vertices: a reader that has the graph knows it."""
    document = jgf(selection, shorthand=True)
    _check(document)
    return dumps(document)


def _check(document: dict[str, Any]) -> None:
    graph = document["graph"]
    if graph["nodes"] and not graph["edges"]:
        raise BournError("JGF can't be written: a single vertex has no edges")
