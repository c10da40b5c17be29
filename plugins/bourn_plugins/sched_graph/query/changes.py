"""Changes to a graph that jobs run on: attaching and removing subgraphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn_plugins.graph_readers.jgf import add_jgf, parse_jgf
from bourn_plugins.sched_graph.query.install import locate
from bourn_plugins.sched_graph.resources.graph import CONTAINMENT, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex
    from bourn_plugins.sched_graph.walk.traverser import Traverser


def rank_roots(graph: ResourceGraph, ranks: Iterable[int]) -> list[Vertex]:
    """Return the topmost vertex of each rank."""
    roots: list[Vertex] = []
    for rank in ranks:
        found = graph.by_rank(rank)
        if found:
            roots.append(min(found, key=lambda vertex: len(vertex.path)))
    return roots


def attach(traverser: Traverser, content: bytes) -> None:
    """Add what a JGF document has and the graph hasn't, whole or not at all."""
    graph = traverser.graph
    vertices, edges = parse_jgf(content)
    known: dict[str, int] = {}
    keys: set[str] = set()
    for vertex in vertices:
        if vertex.key in keys:
            raise BournError(f"found duplicate JGF node id for {vertex.key}")
        keys.add(vertex.key)
        own = locate(graph, vertex)
        if own is not None:
            known[vertex.key] = own.index
    for source, target, subsystem in edges:
        if source not in keys or target not in keys:
            raise BournError(f"source and/or target vertex not found: {source} -> {target}")
        if subsystem == CONTAINMENT and target in known and source not in known:
            raise BournError(f"{source} -> {target}: the target lies elsewhere in the graph already")
    before = Snapshot(graph)
    for index in known.values():
        own = graph.vertices[index]
        assert own is not None
        before.keep(own)
    first = len(graph.vertices)
    try:
        add_jgf(graph, vertices, edges, known)
        _check_places(graph, first)
    except BournError:
        before.restore()
        raise
    traverser.graph_changed()


def _check_places(graph: ResourceGraph, first: int) -> None:
    """Raise BournError if a new vertex, from an index on, isn't where it says, or is nowhere."""
    for vertex in graph.vertices[first:]:
        assert vertex is not None
        if vertex.parent is not None:
            place = f"{vertex.parent.path}/{vertex.name}"
            if vertex.path != place:
                raise BournError(f"{vertex.path}: it is said to be there, but by its edge it is {place}")
        elif CONTAINMENT in (vertex.paths or {CONTAINMENT: ""}):
            raise BournError(f"{vertex.path}: no edge leads to it")


def remove(traverser: Traverser, roots: list[Vertex], *, release: bool) -> None:
    """Take subgraphs out; with `release`, jobs give up what they have there first."""
    graph, ledger = traverser.graph, traverser.ledger
    for root in roots:
        if root.parent is None:
            raise BournError(f"{root.path} is the root of the graph")
        gone = list(graph.subtree(root))
        if release:
            jobs = {job for vertex in gone for job in ledger.tags.get(vertex.index, ())}
            for job in sorted(jobs):
                traverser.partial_cancel(job, gone)
        for vertex in graph.remove(root):
            ledger.forget(vertex)
    traverser.graph_changed()
