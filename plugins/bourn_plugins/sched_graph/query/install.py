"""Installing, and giving back in part, what was matched elsewhere: an R, or a graph in JGF."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn_plugins.graph_readers.jgf import parse_jgf
from bourn_plugins.graph_readers.rv1 import check_rv1, entries
from bourn_plugins.sched_graph.walk.commit import Commit

if TYPE_CHECKING:
    from bourn.hookspecs.resource_io import SelectedVertex
    from bourn_plugins.graph_readers.jgf import JgfVertex
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex
    from bourn_plugins.sched_graph.walk.traverser import Traverser


def locate(graph: ResourceGraph, vertex: JgfVertex) -> Vertex | None:
    """Return the graph's vertex of the same path and rank."""
    for path in vertex.paths.values():
        for candidate in graph.by_path(path):
            if candidate.rank == vertex.rank:
                return candidate
    return None


def _same(graph: ResourceGraph, vertex: JgfVertex) -> Vertex:
    """Return the graph's own vertex; BournError if it isn't there or isn't the same."""
    own = locate(graph, vertex)
    if own is None:
        paths = ", ".join(vertex.paths.values())
        raise BournError(f"inconsistent input vertex: nonexistent path ({paths}) {vertex.key}")
    for name in ("type", "basename", "size", "id", "name"):
        if getattr(own, name) != getattr(vertex, name):
            raise BournError(
                f"inconsistent input vertex {vertex.key}: {name} is {getattr(own, name)!r} in the graph, "
                f"not {getattr(vertex, name)!r}"
            )
    return own


def install(
    traverser: Traverser,
    format: str,
    content: bytes,
    job: int,
    start: int,
    end: int,
    *,
    reserve: bool = False,
) -> list[SelectedVertex]:
    """Take what a document says; BournError leaves everything as it was."""
    marks, exclusive = _marks(traverser, format, content)
    ledger, walker = traverser.ledger, traverser.walker
    taken: list[Vertex] = []
    try:
        for vertex, _ in marks.values():
            if vertex.index in exclusive:
                if not ledger.plan(vertex, job, start, end, vertex.size):
                    raise BournError(f"{vertex.path} is unavailable")
                table = ledger.reservations if reserve else ledger.allocations
                table.setdefault(vertex.index, set()).add(job)
                taken.append(vertex)
            elif ledger.free(vertex, start, end) < vertex.size:
                raise BournError(f"{vertex.path} is unavailable")
    except BournError:
        for vertex in taken:
            ledger.unplan(vertex, job)
        raise
    root = walker.graph.roots[walker.subsystem]
    walker.errors.clear()
    walker.marks.clear()
    walker.marks.edges = {
        (parent.index, vertex.index): (vertex.size, vertex.index in exclusive)
        for vertex, parent in marks.values()
        if parent is not None
    }
    walker.marks.root = (root.size, root.index in exclusive)
    commit = Commit(walker, job, start, end, planned=True, whole_types=traverser.exclusive_types)
    if not commit.run():
        for vertex in taken:
            ledger.unplan(vertex, job)
        raise BournError("nothing in it is taken exclusively")
    return commit.selected


def _marks(
    traverser: Traverser, format: str, content: bytes
) -> tuple[dict[int, tuple[Vertex, Vertex | None]], set[int]]:
    """Return index -> (vertex, parent) of what a document takes, and which of them exclusively."""
    graph = traverser.graph
    marks: dict[int, tuple[Vertex, Vertex | None]] = {}
    exclusive: set[int] = set()
    if format == "rv1exec":
        _mark_ranks(graph, content, marks, exclusive)
        return marks, exclusive
    vertices, edges = parse_jgf(content)
    own: dict[str, Vertex] = {}
    for vertex in vertices:
        if vertex.key in own:
            raise BournError(f"found duplicate JGF node id for {vertex.key}")
        found = own[vertex.key] = _same(graph, vertex)
        marks[found.index] = (found, None)
        if vertex.exclusive:
            exclusive.add(found.index)
            if format == "jgf_shorthand":
                for below in graph.subtree(found):
                    exclusive.add(below.index)
                    marks.setdefault(below.index, (below, below.parent))
    for source, target, _ in edges:
        if source not in own or target not in own:
            raise BournError(f"source and/or target vertex not found: {source} -> {target}")
        if own[target] not in graph.out(own[source], traverser.walker.subsystem):
            raise BournError(f"JGF edge from {source} to {target} not found in resource graph")
        marks[own[target].index] = (own[target], own[source])
    return marks, exclusive


def _mark_ranks(
    graph: ResourceGraph,
    content: bytes,
    marks: dict[int, tuple[Vertex, Vertex | None]],
    exclusive: set[int],
) -> None:
    """Mark the children that R names, and their nodes up to the root as shared."""
    document = _decode(content)
    nodes = {vertex.rank: vertex for vertex in graph.nodes()}
    for rank, children in entries(document):
        node = nodes.get(rank)
        if node is None:
            raise BournError(f"rank {rank}: the graph has no such node")
        wanted = {(type, id) for type, ids in children.items() for id in ids}
        for vertex in graph.subtree(node):
            if (vertex.type, vertex.id) in wanted:
                wanted.discard((vertex.type, vertex.id))
                exclusive.add(vertex.index)
                above: Vertex | None = vertex
                while above is not None and above.index not in marks:
                    marks[above.index] = (above, above.parent)
                    above = above.parent
        if wanted:
            type, id = min(wanted)
            raise BournError(f"rank {rank}: {node.path} has no {type}{id}")


def _decode(content: bytes) -> Any:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BournError(f"not a JSON document: {error}") from None
    check_rv1(document)
    return document


def partial_cancel(traverser: Traverser, job: int, format: str, content: bytes) -> bool:
    """Release what a document names of a job; True if the job has nothing left."""
    graph = traverser.graph
    if format == "rv1exec":
        document = _decode(content)
        vertices: list[Vertex] = []
        for rank in sorted({rank for rank, _ in entries(document)}):
            found = rank_vertices(graph, rank)
            if not found:
                raise BournError(f"rank {rank}: the graph has no such node")
            vertices.extend(found)
        return traverser.partial_cancel(job, vertices)
    parsed, _ = parse_jgf(content)
    vertices = []
    for vertex in parsed:
        own = _same(graph, vertex)
        ledger = traverser.ledger
        if ledger.tagged(own, job) and job not in ledger.allocations.get(own.index, ()):
            # An ancestor, there to say where the others are: it goes with the last of them.
            continue
        below = graph.subtree(own) if vertex.exclusive and format == "jgf_shorthand" else (own,)
        vertices.extend(below)
    for own in vertices:
        if job not in traverser.ledger.allocations.get(own.index, ()):
            raise BournError(f"can't find allocation span for job {job} in {own.path}")
    return traverser.partial_cancel(job, vertices)


def rank_vertices(graph: ResourceGraph, rank: int) -> list[Vertex]:
    """Return the vertices of a rank, and what they contain."""
    found: dict[int, Vertex] = {}
    for vertex in graph.by_rank(rank):
        for below in graph.subtree(vertex):
            found[below.index] = below
    return list(found.values())
