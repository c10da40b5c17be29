"""R version 1: a cluster of nodes and what they contain, without levels between (RFC 20)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources
from bourn.model.hostlist import Hostlist
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.resource_io import GraphBuilder

_NUMBERED = re.compile(r"(.*?)(\d+)$")


def split_host(name: str) -> tuple[str, int]:
    """Return the base name and the number of a host: ``node12`` is ("node", 12); without a number it is
    -1.
    """
    match = _NUMBERED.match(name)
    return (match[1], int(match[2])) if match else (name, -1)


def read_rv1(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read R; a scheduling key is not looked at."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BournError(f"not a JSON document: {error}") from None
    check_rv1(document)
    return Resources(R=document, build=lambda builder: build_rv1(builder, document))


def read_rv1_full(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read R whose scheduling key, where there is one, is the graph in JGF."""
    from bourn_plugins.graph_readers.jgf import add_jgf, parse_graph

    found = read_rv1(content, options)
    assert found.R is not None
    scheduling = found.R.get("scheduling")
    if scheduling is None:
        return found
    vertices, edges = parse_graph(scheduling, "scheduling.")
    return Resources(R=found.R, build=lambda builder: add_jgf(builder, vertices, edges, {}))


def check_rv1(document: object) -> None:
    """Raise BournError where R lacks what a graph needs."""
    if not isinstance(document, dict):
        raise BournError("R must be an object")
    if document.get("version") != 1:
        raise BournError(f"version: must be 1, not {document.get('version')!r}")
    execution = document.get("execution")
    if not isinstance(execution, dict):
        raise BournError("execution: is missing")
    if not isinstance(execution.get("R_lite"), list):
        raise BournError("execution.R_lite: must be a list")
    if not isinstance(execution.get("nodelist"), list):
        raise BournError("execution.nodelist: must be a list")


def entries(document: Mapping[str, Any]) -> list[tuple[int, dict[str, IdSet]]]:
    """Return (rank, type -> ids) in the order of the document."""
    found: list[tuple[int, dict[str, IdSet]]] = []
    for i, entry in enumerate(document["execution"]["R_lite"]):
        where = f"execution.R_lite[{i}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("children"), dict):
            raise BournError(f"{where}: must have a rank and children")
        try:
            ranks = IdSet(str(entry.get("rank", "")))
            children = {str(type): IdSet(str(ids)) for type, ids in entry["children"].items()}
        except BournError as error:
            raise BournError(f"{where}: {error.message}") from None
        found.extend((rank, children) for rank in ranks)
    return found


def build_rv1(builder: GraphBuilder, document: Mapping[str, Any]) -> None:
    """Add the cluster, its nodes and their children."""
    execution = document["execution"]
    found = entries(document)
    hosts: list[str] = []
    for text in execution["nodelist"]:
        hosts.extend(Hostlist(str(text)))
    ranks = sorted({rank for rank, _ in found})
    if len(hosts) < len(ranks):
        raise BournError(f"execution.nodelist: {len(hosts)} hosts for {len(ranks)} ranks")
    names = dict(zip(ranks, hosts, strict=False))
    properties = _properties(execution.get("properties"))
    cluster = builder.vertex("cluster", basename="cluster", id=0)
    for rank, children in found:
        name = names[rank]
        basename, number = split_host(name)
        own = properties.get(rank, {})
        node = builder.vertex(
            "node", cluster, basename=basename, id=number, name=name, rank=rank, properties=own.get("node")
        )
        for type, ids in children.items():
            for id in ids:
                builder.vertex(type, node, id=id, rank=rank, properties=own.get(type))


def _properties(value: object) -> dict[int, dict[str, dict[str, str]]]:
    """Return rank -> type -> properties; ``name@type`` goes to vertices of that type."""
    result: dict[int, dict[str, dict[str, str]]] = {}
    if value is None:
        return result
    if not isinstance(value, dict):
        raise BournError("execution.properties: must be an object")
    for key, ranks in value.items():
        name, _, level = key.partition("@")
        try:
            ids = IdSet(str(ranks))
        except BournError as error:
            raise BournError(f"execution.properties.{key}: {error.message}") from None
        for rank in ids:
            result.setdefault(rank, {}).setdefault(level or "node", {})[name] = ""
    return result
