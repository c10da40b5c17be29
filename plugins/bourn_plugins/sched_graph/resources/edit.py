"""An update of a graph: several changes, all of them or none.

A change is a dictionary with an ``op`` and what that takes:

========== ====================================== =========================================================
op         keys                                   does
========== ====================================== =========================================================
attach     format, content, under?, ranks?        adds what a document has and the graph hasn't
remove     path                                   takes a vertex out, with all that it contains
property   path, set?, unset?                     sets and takes away properties of a vertex
status     path, status                           sets a vertex, and with it all below, ``up`` or ``down``
link       subsystem, source, target              relates two vertices in a subsystem
unlink     subsystem, source, target              takes that back
========== ====================================== =========================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, suggest
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.resources.graph import CONTAINMENT, ResourceGraph, Snapshot
from bourn_plugins.sched_graph.resources.merge import Merge, vertex_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.plugins import PluginManager
    from bourn_plugins.sched_graph.resources.graph import Vertex


class Edit:
    """One update under way. `run` either makes all changes or, with a BournError, none."""

    def __init__(self, graph: ResourceGraph, plugins: PluginManager | None = None) -> None:
        self.graph = graph
        self.touched: set[int] = set()
        """The indices of vertices that have changed, and of all that they lie in."""
        self.new: set[int] = set()
        """The indices of new vertices."""
        self.ranks: set[int] = set()
        """The ranks of the nodes that have changed, came or went."""
        self.status: dict[int, bool] = {}
        """Index -> whether it is to be up, as the last change of status says."""
        self._plugins = plugins
        self._snapshot = Snapshot(graph)

    def run(self, changes: Iterable[object]) -> list[dict[str, Any]]:
        """Make changes; return them with what was found out on the way, so that they can be repeated."""
        done: list[dict[str, Any]] = []
        try:
            for i, change in enumerate(changes):
                try:
                    done.append(self._change(change))
                except BournError as error:
                    where = f"change {i + 1}: " if i else ""
                    raise BournError(f"{where}{error.message}", error.errnum) from None
            if not self.graph.nodes():
                raise BournError("no node would be left")
        except BaseException:
            self.undo()
            raise
        return done

    def undo(self) -> None:
        """Make the graph what it was before the first change."""
        self._snapshot.restore()

    def _change(self, change: object) -> dict[str, Any]:
        if not isinstance(change, dict):
            raise BournError(f"a change is an object with 'op', not {change!r:.60}")
        op = change.get("op")
        found = _OPS.get(op) if isinstance(op, str) else None
        if found is None:
            raise BournError(f"unknown change {op!r}{suggest(str(op), _OPS)}")
        method, needs, may = found
        for key in (*needs, *(key for key in change if key != "op")):
            kind = {**needs, **may}.get(key)
            if kind is None:
                raise BournError(f"{op}: unknown key '{key}'{suggest(key, [*needs, *may])}")
            if not isinstance(change.get(key), kind):
                raise BournError(f"{op}: '{key}' must be a {kind.__name__}, not {change.get(key)!r:.60}")
        return {**change, **(method(self, change) or {})}

    # -- what a change does --

    def _attach(self, change: Mapping[str, Any]) -> dict[str, Any]:
        other = ResourceGraph()
        reader = stock.reader(change["format"], self._plugins)
        if reader.live:
            raise BournError(f"'{reader.name}' reads no file; attach takes a description")
        found = reader.read(change["content"].encode(), {})
        if found.build is not None:
            found.build(other)
        elif found.R is not None:
            from bourn_plugins.graph_readers.rv1 import build_rv1

            build_rv1(other, found.R)
        under = vertex_at(self.graph, change["under"]) if "under" in change else None
        merge = Merge(self.graph, other, self._keep, meant=reader.ranked, ranks=change.get("ranks"))
        merge.run(under)
        for vertex in merge.added:
            self.new.add(vertex.index)
            self._touch(vertex)
        return {"ranks": merge.ranks} if merge.ranks else {}

    def _remove(self, change: Mapping[str, Any]) -> None:
        vertex = vertex_at(self.graph, change["path"])
        if vertex is self.graph.roots[CONTAINMENT]:
            raise BournError(f"{change['path']}: the root of the graph can't be removed")
        self._touch(vertex)
        for below in self.graph.subtree(vertex):
            self._keep(below)
        if vertex.parent is not None:
            self._keep(vertex.parent)
        self.graph.remove(vertex)

    def _property(self, change: Mapping[str, Any]) -> None:
        vertex = vertex_at(self.graph, change["path"])
        self._touch(vertex)
        self._keep(vertex)
        properties = dict(vertex.properties or {})
        for key in change.get("unset", ()):
            if key not in properties:
                raise BournError(f"{change['path']} has no property '{key}'{suggest(str(key), properties)}")
            del properties[key]
        for key, value in change.get("set", {}).items():
            if not key or not isinstance(value, str) or any(c in key for c in "=&|!'\"()^ \t\n"):
                raise BournError(f"{change['path']}: {key!r}={value!r} is no property; it is as KEY=VALUE")
            properties[key] = value
        vertex.properties = properties or None

    def _status(self, change: Mapping[str, Any]) -> None:
        vertex = vertex_at(self.graph, change["path"])
        if change["status"] not in ("up", "down"):
            raise BournError(f"{change['path']}: a status is up or down, not '{change['status']}'")
        self._touch(vertex)
        self.status[vertex.index] = change["status"] == "up"
        self._keep(vertex)
        vertex.up = change["status"] == "up"

    def _link(self, change: Mapping[str, Any]) -> None:
        source, target, subsystem = self._relation(change)
        if target in self.graph.out(source, subsystem):
            raise BournError(f"{change['source']} has a {subsystem} relation to {change['target']} already")
        self.graph.edge(source.index, target.index, subsystem)

    def _unlink(self, change: Mapping[str, Any]) -> None:
        self.graph.unlink(*self._relation(change))

    def _relation(self, change: Mapping[str, Any]) -> tuple[Vertex, Vertex, str]:
        subsystem = change["subsystem"]
        if subsystem == CONTAINMENT:
            raise BournError("what contains what changes by attach and remove only")
        source, target = (vertex_at(self.graph, change[key]) for key in ("source", "target"))
        self._keep(source)
        self._keep(target)
        return source, target, subsystem

    # -- what it touches --

    def _keep(self, vertex: Vertex) -> None:
        self._snapshot.keep(vertex)

    def _touch(self, vertex: Vertex) -> None:
        above: Vertex | None = vertex
        while above is not None:
            self.touched.add(above.index)
            if above.type == "node" and above.rank >= 0:
                self.ranks.add(above.rank)
            above = above.parent
        for below in self.graph.subtree(vertex):
            if below.type == "node" and below.rank >= 0:
                self.touched.add(below.index)
                self.ranks.add(below.rank)


_OPS: dict[str, tuple[Any, dict[str, type], dict[str, type]]] = {
    "attach": (Edit._attach, {"format": str, "content": str}, {"under": str, "ranks": dict}),
    "remove": (Edit._remove, {"path": str}, {}),
    "property": (Edit._property, {"path": str}, {"set": dict, "unset": list}),
    "status": (Edit._status, {"path": str, "status": str}, {}),
    "link": (Edit._link, {"subsystem": str, "source": str, "target": str}, {}),
    "unlink": (Edit._unlink, {"subsystem": str, "source": str, "target": str}, {}),
}
"""Method, keys that must be there, keys that may be."""
