"""The resource graph: typed vertices related by subsystems (containment, power, network, ...).

The directed graph itself is rustworkx's; a vertex also keeps the list of what it contains, because matching
walks the containment tree all the time and everything else seldom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import rustworkx

CONTAINMENT = "containment"
_NOTHING: list[Vertex] = []


class Vertex:
    """A pool of `size` units of one resource type."""

    __slots__ = (
        "basename",
        "id",
        "index",
        "kids",
        "name",
        "parent",
        "paths",
        "properties",
        "rank",
        "size",
        "type",
        "uniq_id",
        "unit",
        "up",
    )

    def __init__(
        self,
        index: int,
        uniq_id: int,
        type: str,
        basename: str,
        id: int,
        name: str,
        rank: int = -1,
        size: int = 1,
        unit: str = "",
    ) -> None:
        self.index = index
        self.uniq_id = uniq_id
        self.type = type
        self.basename = basename
        self.id = id
        self.name = name
        self.rank = rank
        self.size = size
        self.unit = unit
        self.up = True
        self.parent: Vertex | None = None
        self.kids: list[Vertex] = _NOTHING
        self.properties: dict[str, str] | None = None
        self.paths: dict[str, str] | None = None
        """Paths in other subsystems, or as a document gave them; containment's is derived where it is
        missing.
        """

    def __repr__(self) -> str:
        return f"<{self.path}>"

    @property
    def path(self) -> str:
        """Its place in the containment tree, as ``/cluster0/rack1/node3``."""
        if self.paths and CONTAINMENT in self.paths:
            return self.paths[CONTAINMENT]
        names, vertex = [self.name], self.parent
        while vertex is not None:
            names.append(vertex.name)
            vertex = vertex.parent
        return "/" + "/".join(reversed(names))

    def all_paths(self) -> dict[str, str]:
        """Return its path in each subsystem that it is in, by the subsystem's name."""
        if self.paths is None:
            return {CONTAINMENT: self.path}
        if CONTAINMENT in self.paths or self.parent is None:
            return dict(sorted(self.paths.items()))
        return dict(sorted({**self.paths, CONTAINMENT: self.path}.items()))


class ResourceGraph:
    """Vertices and relations, with the look-ups that readers and matchers need.

    `vertices[i]` is the vertex of index i, or None once it is removed; `roots` holds each subsystem's root.
    """

    def __init__(self) -> None:
        self.vertices: list[Vertex | None] = []
        self.roots: dict[str, Vertex] = {}
        self.links: dict[str, dict[int, list[Vertex]]] = {}
        """Relations of subsystems other than containment: subsystem -> index -> targets, in order."""
        self.edge_count = 0
        self._edges: list[tuple[int, int, str]] = []
        self._digraph: rustworkx.PyDiGraph[Vertex, str] | None = None
        self._paths: dict[str, list[Vertex]] | None = None

    # -- building (the GraphBuilder protocol) --

    def vertex(
        self,
        type: str,
        parent: int | None = None,
        *,
        basename: str = "",
        id: int = -1,
        name: str = "",
        rank: int = -1,
        size: int = 1,
        unit: str = "",
        properties: Mapping[str, str] | None = None,
        status: str = "up",
        subsystem: str = CONTAINMENT,
        uniq_id: int | None = None,
        paths: Mapping[str, str] | None = None,
    ) -> int:
        """Add a vertex, contained in `parent` where given, and return its index."""
        index = len(self.vertices)
        basename = basename or type
        if not name:
            name = f"{basename}{id}" if id != -1 else basename
        new = Vertex(index, index if uniq_id is None else uniq_id, type, basename, id, name, rank, size, unit)
        if properties:
            new.properties = dict(properties)
        if status != "up":
            new.up = False
        if paths:
            new.paths = dict(paths)
        self._thaw()
        self.vertices.append(new)
        self._paths = None
        if parent is not None:
            self.edge(parent, index, subsystem)
        elif paths:
            for known, path in paths.items():
                if path.count("/") == 1:
                    if known in self.roots:
                        raise BournError(f"{path}: the {known} subsystem has a root already")
                    self.roots[known] = new
        elif subsystem not in self.roots:
            self.roots[subsystem] = new
            if subsystem != CONTAINMENT:
                new.paths = {subsystem: f"/{name}"}
        return index

    def leaves(
        self,
        parents: Iterable[int],
        type: str,
        basename: str,
        size: int,
        unit: str,
        ids: Iterable[int],
        *,
        ranked: bool = False,
    ) -> list[int]:
        """Add a contained vertex per (parent, id), quickly; `parents` and `ids` run in step."""
        self._thaw()
        vertices, first = self.vertices, len(self.vertices)
        index = first
        for parent, number in zip(parents, ids, strict=True):
            owner = vertices[parent]
            assert owner is not None
            rank = owner.rank if ranked else -1
            new = Vertex(index, index, type, basename, number, f"{basename}{number}", rank, size, unit)
            if owner.kids is _NOTHING:
                owner.kids = []
            owner.kids.append(new)
            new.parent = owner
            vertices.append(new)
            self._edges.append((parent, index, CONTAINMENT))
            index += 1
        self.edge_count += index - first
        self._paths = None
        return list(range(first, index))

    def edge(
        self, source: int, target: int, subsystem: str = CONTAINMENT, relation: str = "contains"
    ) -> None:
        """Relate two vertices. A vertex is contained in one other at most."""
        above, below = self.vertices[source], self.vertices[target]
        if above is None or below is None:
            raise BournError("an edge needs two vertices that are in the graph")
        if subsystem == CONTAINMENT:
            if above.kids is _NOTHING:
                above.kids = []
            above.kids.append(below)
            if below.parent is None:
                below.parent = above
                if self.roots.get(CONTAINMENT) is below:
                    # Children came before their parents: the root is what stands above all.
                    while above.parent is not None:
                        above = above.parent
                    self.roots[CONTAINMENT] = above
        else:
            self.links.setdefault(subsystem, {}).setdefault(source, []).append(below)
            if below.paths is None or subsystem not in below.paths:
                base = (above.paths or {}).get(subsystem, "")
                below.paths = {**(below.paths or {}), subsystem: f"{base}/{below.name}"}
        self.edge_count += 1
        self._thaw()
        self._edges.append((source, target, subsystem))
        self._paths = None

    # -- looking --

    def __iter__(self) -> Iterator[Vertex]:
        return (vertex for vertex in self.vertices if vertex is not None)

    def __len__(self) -> int:
        return sum(vertex is not None for vertex in self.vertices)

    def out(self, vertex: Vertex, subsystem: str) -> list[Vertex]:
        """Return the vertices that one relates to in a subsystem, in the order in which they were added."""
        if subsystem == CONTAINMENT:
            return vertex.kids
        return self.links.get(subsystem, {}).get(vertex.index, _NOTHING)

    def reachable(self, subsystem: str) -> list[Vertex]:
        """Return a subsystem's root and all below it, each once, parents first."""
        root = self.roots[subsystem]
        order, seen, stack = [], {root.index}, [root]
        while stack:
            vertex = stack.pop()
            order.append(vertex)
            for kid in self.out(vertex, subsystem):
                if kid.index not in seen:
                    seen.add(kid.index)
                    stack.append(kid)
        return order

    def is_leaf(self, vertex: Vertex) -> bool:
        """Whether no relation of any subsystem leads on from it."""
        return not vertex.kids and not any(vertex.index in table for table in self.links.values())

    def by_path(self, path: str) -> list[Vertex]:
        """Return the vertices of a path in any subsystem."""
        if self._paths is None:
            index: dict[str, list[Vertex]] = {}
            for vertex in self:
                for text in vertex.all_paths().values():
                    index.setdefault(text, []).append(vertex)
            self._paths = index
        return self._paths.get(path, _NOTHING)

    def by_rank(self, rank: int) -> list[Vertex]:
        """Return the vertices of a broker rank: the node and what it contains."""
        return [vertex for vertex in self if vertex.rank == rank]

    def nodes(self) -> list[Vertex]:
        """Return the compute nodes, in order."""
        return [vertex for vertex in self if vertex.type == "node"]

    def digraph(self) -> rustworkx.PyDiGraph[Vertex, str]:
        """Return the whole graph; a node's payload is its `Vertex`, an edge's its subsystem."""
        if self._digraph is None:
            import rustworkx

            digraph: Any = rustworkx.PyDiGraph(multigraph=True)
            digraph.add_nodes_from(self.vertices)
            digraph.add_edges_from(self._edges)
            digraph.remove_nodes_from([i for i, vertex in enumerate(self.vertices) if vertex is None])
            self._digraph = digraph
            self._edges = []
        return self._digraph

    def _thaw(self) -> None:
        # rustworkx gives the index of a removed node to the next new one, so the graph is rebuilt after
        # additions.
        if self._digraph is not None:
            self._edges = list(self._digraph.weighted_edge_list())
            self._digraph = None

    def subtree(self, vertex: Vertex) -> Iterator[Vertex]:
        """Yield a vertex and all that it contains, parents first."""
        stack = [vertex]
        while stack:
            top = stack.pop()
            yield top
            stack.extend(reversed(top.kids))

    # -- changing --

    def remove(self, vertex: Vertex) -> list[Vertex]:
        """Take a vertex and all that it contains out of every subsystem; return what was removed."""
        gone = list(self.subtree(vertex))
        indices = {each.index for each in gone}
        self._thaw()
        kept = [edge for edge in self._edges if edge[0] not in indices and edge[1] not in indices]
        self.edge_count -= len(self._edges) - len(kept)
        self._edges = kept
        if vertex.parent is not None:
            vertex.parent.kids = [kid for kid in vertex.parent.kids if kid is not vertex]
        for table in self.links.values():
            for source in [index for index in table if index in indices]:
                del table[source]
            for source, targets in table.items():
                if any(target.index in indices for target in targets):
                    table[source] = [target for target in targets if target.index not in indices]
        for subsystem in [name for name, root in self.roots.items() if root.index in indices]:
            del self.roots[subsystem]
        for each in gone:
            self.vertices[each.index] = None
        self._paths = None
        return gone

    def unlink(self, source: Vertex, target: Vertex, subsystem: str) -> None:
        """Take back a relation of a subsystem other than containment; BournError if it isn't there."""
        targets = self.links.get(subsystem, {}).get(source.index, _NOTHING)
        if target not in targets:
            raise BournError(f"{source.path} has no {subsystem} relation to {target.path}")
        left = [each for each in targets if each is not target]
        if left:
            self.links[subsystem][source.index] = left
        else:
            del self.links[subsystem][source.index]
        self._thaw()
        self._edges.remove((source.index, target.index, subsystem))
        self.edge_count -= 1
        self._paths = None


class Snapshot:
    """A graph as it was, to go back to when a change fails half-way.

    Vertices must be told to `keep` before they change; the rest is copied, which costs little.
    """

    def __init__(self, graph: ResourceGraph) -> None:
        graph._thaw()
        self._graph = graph
        self._vertices = list(graph.vertices)
        self._roots = dict(graph.roots)
        self._links = {name: dict(table) for name, table in graph.links.items()}
        for table in self._links.values():
            for source, targets in table.items():
                table[source] = list(targets)
        self._edges = list(graph._edges)
        self._edge_count = graph.edge_count
        self._kept: dict[int, tuple[Vertex, tuple[Any, ...]]] = {}

    def keep(self, vertex: Vertex) -> None:
        """Note what a vertex is like."""
        if vertex.index not in self._kept:
            kids = vertex.kids if vertex.kids is _NOTHING else list(vertex.kids)
            properties = None if vertex.properties is None else dict(vertex.properties)
            paths = None if vertex.paths is None else dict(vertex.paths)
            self._kept[vertex.index] = (vertex, (kids, properties, paths, vertex.up))

    def restore(self) -> None:
        """Make the graph what it was."""
        graph = self._graph
        graph._thaw()
        graph.vertices, graph.roots, graph.links = self._vertices, self._roots, self._links
        graph._edges, graph.edge_count, graph._paths = self._edges, self._edge_count, None
        for vertex, (kids, properties, paths, up) in self._kept.values():
            vertex.kids, vertex.properties, vertex.paths, vertex.up = kids, properties, paths, up
