"""JSON Graph Format: vertices with metadata, and edges by id (RFC 4)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import define

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bourn.hookspecs.resource_io import GraphBuilder

_SUFFIX = re.compile(r"\d+$")
_TEXTS = ("type", "basename", "name", "unit")
_INTEGERS = ("id", "uniq_id", "rank", "status", "size")


@define(eq=False)
class JgfVertex:
    """A vertex of a document, with the defaults filled in."""

    key: str
    type: str
    basename: str
    name: str
    id: int
    uniq_id: int
    rank: int
    size: int
    unit: str
    up: bool
    exclusive: bool
    properties: dict[str, str]
    paths: dict[str, str]


def parse_jgf(content: bytes | str) -> tuple[list[JgfVertex], list[tuple[str, str, str]]]:
    """Return the vertices and the edges (source, target, subsystem) of a document; BournError says what
    is wrong.
    """
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BournError(f"not a JSON document: {error}") from None
    return parse_graph(document)


def parse_graph(document: object, where: str = "") -> tuple[list[JgfVertex], list[tuple[str, str, str]]]:
    """As `parse_jgf`, of what has been decoded; `where` is its place in a document around it."""
    graph = _member(document, "graph", dict, where)
    nodes = _member(graph, "nodes", list, f"{where}graph.")
    edges = _member(graph, "edges", list, f"{where}graph.")
    vertices = [_vertex(node, f"{where}graph.nodes[{i}]") for i, node in enumerate(nodes)]
    return vertices, list(_edges(edges, where))


def _member(document: object, key: str, kind: type, where: str) -> Any:
    if not isinstance(document, dict) or key not in document:
        raise BournError(f"{where}{key}: is missing")
    value = document[key]
    if not isinstance(value, kind):
        raise BournError(f"{where}{key}: must be {'an object' if kind is dict else 'a list'}")
    return value


def _vertex(node: object, where: str) -> JgfVertex:
    if not isinstance(node, dict) or not isinstance(node.get("id"), str):
        raise BournError(f"{where}.id: must be a string")
    key = node["id"]
    data = _member(node, "metadata", dict, f"{where}.")
    for name in _TEXTS:
        if name in data and not isinstance(data[name], str):
            raise BournError(f"{where}.metadata.{name}: must be a string, not {data[name]!r}")
    for name in _INTEGERS:
        if name in data and (not isinstance(data[name], int) or isinstance(data[name], bool)):
            raise BournError(f"{where}.metadata.{name}: must be an integer, not {data[name]!r}")
    if not data.get("type"):
        raise BournError(f"{where}.metadata.type: is missing")
    size = data.get("size", 1)
    if size < 0:
        raise BournError(f"{where}.metadata.size: must not be negative")
    uniq = data.get("uniq_id")
    if uniq is None:
        try:
            uniq = int(key)
        except ValueError:
            raise BournError(f"{where}: there is no uniq_id, and the id '{key}' is no integer") from None
    id = data.get("id")
    if id is None:
        id = uniq
        suffix = _SUFFIX.search(data.get("name", "")) if data["type"] == "node" else None
        if suffix:
            id = int(suffix.group())
    basename = data.get("basename", data["type"])
    return JgfVertex(
        key,
        data["type"],
        basename,
        data.get("name", f"{basename}{id}"),
        id,
        uniq,
        data.get("rank", -1),
        size,
        data.get("unit", ""),
        data.get("status", 0) == 0,
        bool(data.get("exclusive", False)),
        _texts(data.get("properties"), f"{where}.metadata.properties"),
        _texts(data.get("paths"), f"{where}.metadata.paths"),
    )


def _texts(value: object, where: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BournError(f"{where}: must be an object")
    return {str(key): str(text) for key, text in value.items()}


def _edges(edges: list[object], where: str) -> Iterator[tuple[str, str, str]]:
    for i, edge in enumerate(edges):
        if not isinstance(edge, dict):
            raise BournError(f"{where}graph.edges[{i}]: must be an object")
        ends = (edge.get("source"), edge.get("target"))
        if not isinstance(ends[0], str) or not isinstance(ends[1], str):
            raise BournError(f"{where}graph.edges[{i}]: must have a source and a target")
        data = edge.get("metadata") or {}
        if not isinstance(data, dict):
            raise BournError(f"{where}graph.edges[{i}].metadata: must be an object")
        named = data.get("name")
        if isinstance(named, dict) and named:
            # An older form: {"name": {SUBSYSTEM: RELATION}}, where "in" is the way back.
            subsystem, relation = next(iter(named.items()))
            if relation == "in":
                continue
        else:
            subsystem = data.get("subsystem", "containment")
        yield ends[0], ends[1], str(subsystem)


def read_jgf(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read a graph."""
    vertices, edges = parse_jgf(content)

    def build(builder: GraphBuilder) -> None:
        add_jgf(builder, vertices, edges, {})

    return Resources(build=build)


def add_jgf(
    builder: GraphBuilder,
    vertices: list[JgfVertex],
    edges: list[tuple[str, str, str]],
    known: Mapping[str, int],
) -> None:
    """Add the vertices that aren't `known` (id -> handle) yet, and the edges that lead to or from new
    ones.
    """
    handles = dict(known)
    for i, vertex in enumerate(vertices):
        if vertex.key in known:
            continue
        if vertex.key in handles:
            raise BournError(f"graph.nodes[{i}].id: '{vertex.key}' is there twice")
        handles[vertex.key] = builder.vertex(
            vertex.type,
            basename=vertex.basename,
            id=vertex.id,
            name=vertex.name,
            rank=vertex.rank,
            size=vertex.size,
            unit=vertex.unit,
            properties=vertex.properties,
            status="up" if vertex.up else "down",
            uniq_id=vertex.uniq_id,
            paths=vertex.paths,
        )
    for i, (source, target, subsystem) in enumerate(edges):
        for end in (source, target):
            if end not in handles:
                raise BournError(f"graph.edges[{i}]: '{end}' is no vertex of the graph")
        if source not in known or target not in known:
            builder.edge(handles[source], handles[target], subsystem)
