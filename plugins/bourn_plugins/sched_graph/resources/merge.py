"""Merges one graph into another: what has the same path is the same vertex, the rest is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError, suggest
from bourn_plugins.sched_graph.resources.graph import CONTAINMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex


class Merge:
    """Adds to `graph` what `other` has and it hasn't.

    `meant`: whether nodes must have the ranks that `other` gives them, as R says them; otherwise, and where
    there is none, they get the next that are free. `ranks` (path -> rank) comes before both. `keep` is told
    of each vertex of `graph` before it changes. Raises BournError half-way.
    """

    def __init__(
        self,
        graph: ResourceGraph,
        other: ResourceGraph,
        keep: Callable[[Vertex], None],
        *,
        meant: bool = False,
        ranks: Mapping[str, int] | None = None,
    ) -> None:
        self.graph = graph
        self.other = other
        self.added: list[Vertex] = []
        """New vertices, parents first."""
        self.ranks: dict[str, int] = {}
        """The ranks that new nodes got, by path."""
        self._keep = keep
        self._meant = meant
        self._given = ranks or {}
        self._owners = {node.rank: node for node in graph.nodes() if node.rank >= 0}
        self._next = max(self._owners, default=-1) + 1
        self._own: dict[int, Vertex] = {}
        """Index in `other` -> the vertex of `graph`."""
        self._linked = 0

    def run(self, under: Vertex | None = None) -> None:
        """Merge all; with `under`, the root of `other` stands for that vertex."""
        root = self.other.roots.get(CONTAINMENT)
        for top in self.other:
            if top.parent is None and (top.kids or top is root or not self._elsewhere(top)):
                self._top(top, under if top is root else None)
        for subsystem in sorted({*self.other.roots, *self.other.links} - {CONTAINMENT}):
            self._subsystem(subsystem)
        if not self.added and not self._linked:
            raise BournError("all that is in it is there already")

    @staticmethod
    def _elsewhere(vertex: Vertex) -> bool:
        """Whether a vertex lies in other subsystems only."""
        return vertex.paths is not None and CONTAINMENT not in vertex.paths

    def _top(self, top: Vertex, under: Vertex | None) -> None:
        found = under or find_path(self.graph, top.path)
        if found is not None:
            if under is None:
                self._same(top, found)
            self._inside(top, found)
            return
        above = find_path(self.graph, top.path.rpartition("/")[0])
        if above is None:
            raise BournError(
                f"{top.path}: there is nothing to attach it to; the root is "
                f"{self.graph.roots[CONTAINMENT].path}"
            )
        self._inside(top, self._new(top, above))

    def _inside(self, theirs: Vertex, own: Vertex) -> None:
        """Merge what a vertex contains; of two vertices that are one."""
        self._own[theirs.index] = own
        stack = [(theirs, own)]
        while stack:
            theirs, own = stack.pop()
            names = {kid.name: kid for kid in own.kids}
            for kid in theirs.kids:
                mine = names.get(kid.name)
                if mine is None:
                    mine = names[kid.name] = self._new(kid, own)
                else:
                    self._same(kid, mine)
                self._own[kid.index] = mine
                stack.append((kid, mine))

    def _same(self, theirs: Vertex, own: Vertex) -> None:
        for key in ("type", "size"):
            if getattr(own, key) != getattr(theirs, key):
                raise BournError(
                    f"{own.path}: its {key} is {getattr(own, key)}, not {getattr(theirs, key)} as in the file"
                )
        if self._meant and theirs.type == "node" and theirs.rank not in (-1, own.rank):
            raise BournError(f"{own.path}: its rank is {own.rank}, not {theirs.rank} as in the file")

    def _new(self, theirs: Vertex, above: Vertex) -> Vertex:
        self._keep(above)
        own = self._copy(theirs, above.index)
        if theirs.type == "node":
            own.rank = self.ranks[own.path] = self._rank(theirs, own.path)
            self._owners[own.rank] = own
        elif above.rank >= 0 and above.parent is not None:
            own.rank = above.rank
        return own

    def _copy(self, theirs: Vertex, above: int | None, subsystem: str = CONTAINMENT) -> Vertex:
        """Add a vertex like theirs, without its rank."""
        index = self.graph.vertex(
            theirs.type,
            above,
            basename=theirs.basename,
            id=theirs.id,
            name=theirs.name,
            size=theirs.size,
            unit=theirs.unit,
            properties=theirs.properties,
            status="up" if theirs.up else "down",
            subsystem=subsystem,
        )
        own = self.graph.vertices[index]
        assert own is not None
        self.added.append(own)
        return own

    def _rank(self, theirs: Vertex, path: str) -> int:
        rank = self._given.get(path, theirs.rank if self._meant else -1)
        if rank < 0:
            rank = self._next
        elif rank in self._owners:
            raise BournError(f"{path}: rank {rank} is that of {self._owners[rank].path}")
        self._next = max(self._next, rank + 1)
        return rank

    # -- other subsystems --

    def _subsystem(self, subsystem: str) -> None:
        """Merge the relations of a subsystem, from its root on."""
        root = self.other.roots.get(subsystem)
        if root is not None and root.index not in self._own:
            mine = self.graph.roots.get(subsystem)
            if mine is None:
                mine = self._copy(root, None, subsystem)
            elif mine.name != root.name:
                raise BournError(f"the root of subsystem {subsystem} is /{mine.name}, not /{root.name}")
            self._own[root.index] = mine
        todo = [root] if root is not None else []
        seen: set[int] = set()
        table = self.other.links.get(subsystem, {})
        todo += [each for each in self.other if each.index in table and each.index in self._own]
        while todo:
            source = todo.pop(0)
            if source.index in seen:
                continue
            seen.add(source.index)
            for target in table.get(source.index, ()):
                self._relate(self._own[source.index], target, subsystem)
                todo.append(target)
        lost = next((self.other.vertices[index] for index in table if index not in seen), None)
        if lost is not None:
            raise BournError(f"{lost.name}: no relation of {subsystem} leads to it from what is there")

    def _relate(self, source: Vertex, theirs: Vertex, subsystem: str) -> None:
        targets = self.graph.out(source, subsystem)
        own = self._own.get(theirs.index)
        if own is None:
            own = next((each for each in targets if each.name == theirs.name), None)
            if own is not None:
                self._same(theirs, own)
            else:
                own = self._copy(theirs, source.index, subsystem)
            self._own[theirs.index] = own
        elif own not in targets:
            self._keep(own)
            self.graph.edge(source.index, own.index, subsystem)
            self._linked += 1


def find_path(graph: ResourceGraph, path: str) -> Vertex | None:
    """Return the vertex of a path in any subsystem, or None."""
    _, *names = path.split("/")
    found: Vertex | None = graph.roots[CONTAINMENT]
    if found is not None and names and names[0] == found.name:
        for name in names[1:]:
            found = next((kid for kid in found.kids if kid.name == name), None)
            if found is None:
                break
        else:
            return found
    return next(iter(graph.by_path(path)), None)


def vertex_at(graph: ResourceGraph, path: str) -> Vertex:
    """Return the vertex of a path in any subsystem; BournError suggests the nearest."""
    found = find_path(graph, path)
    if found is not None:
        return found
    head, _, _ = path.rpartition("/")
    above = find_path(graph, head)
    near = [f"{head}/{kid.name}" for kid in above.kids[:1000]] if above is not None else []
    raise BournError(f"{path}: there is no such vertex{suggest(path, near)}")
