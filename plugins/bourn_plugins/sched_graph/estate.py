"""What an instance has, as a graph that changes while jobs run.

An update is prepared: made in full, or refused with everything as it was. Then, when it is durable, it is
committed, or taken back when it couldn't be made durable. The resource module says which.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID
from bourn.model.rset import ResourceSet
from bourn_plugins.sched_graph.engine.carry import Succession
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.resources.edit import Edit
from bourn_plugins.sched_graph.resources.nodes import rset_of_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.plugins import PluginManager
    from bourn_plugins.sched_graph.engine.policy import Chooser
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex

_MANY = 3


@define(eq=False)
class Prepared:
    """An update that has been made, and may still be taken back."""

    edit: Edit
    successions: dict[str, Succession]
    off: set[int]
    """What was off before."""
    changes: list[dict[str, Any]]
    """As they are to be repeated."""

    @property
    def lost(self) -> dict[int, list[str]]:
        """The jobs that had what is no more."""
        return next(iter(self.successions.values())).lost


class Estate:
    """A graph, an engine for each match policy, and who in it is up."""

    def __init__(
        self,
        graph: ResourceGraph,
        choosers: Mapping[str, Chooser],
        up: IdSet,
        plugins: PluginManager | None = None,
        *,
        updates: Iterable[Sequence[Mapping[str, Any]]] = (),
        tell: Callable[[str], None] = lambda text: None,
        fault: Callable[[str, str], None] = lambda name, text: None,
        strict: bool = False,
    ) -> None:
        """`updates` of earlier times are made again; those that can't be made any more are told to `tell`.

        `fault` learns which policy failed, and how; `strict` is that of `Engine.of`.
        """
        self.graph = graph
        self.up = up
        """The ranks that may be used, as far as the resource module knows."""
        self._plugins = plugins
        self._off = {vertex.index for vertex in graph if not vertex.up}
        """What is down because somebody said so, whoever is online."""
        self._prepared: Prepared | None = None
        self._settle(graph.nodes())
        self._repeat(updates, tell)
        self.engines = {
            name: Engine.of(graph, chooser, partial(fault, name), strict=strict)
            for name, chooser in choosers.items()
        }
        """By the name of the policy; the first is that of the instance."""

    def _settle(self, nodes: Iterable[Vertex]) -> None:
        for node in nodes:
            node.up = node.rank in self.up and node.index not in self._off

    @property
    def engine(self) -> Engine:
        """The engine of the instance's policy."""
        return next(iter(self.engines.values()))

    def succeed(self, before: Estate) -> dict[int, list[str]]:
        """Take over from another graph; return the jobs that lose something by it."""
        lost: dict[int, list[str]] = {}
        for name, engine in before.engines.items():
            succession = Succession(engine, self.graph)
            self.engines[name], lost = succession.new, succession.lost
        return lost

    def _repeat(self, updates: Iterable[Sequence[Mapping[str, Any]]], tell: Callable[[str], None]) -> None:
        for changes in updates:
            edit = Edit(self.graph, self._plugins)
            try:
                edit.run(changes)
            except BournError as error:
                tell(f"an earlier update of the resources can't be made any more: {error.message}")
                continue
            self._take(edit)

    def _take(self, edit: Edit) -> None:
        """Note what an edit says of who is up."""
        self._off -= {index for index, up in edit.status.items() if up}
        self._off |= {index for index, up in edit.status.items() if not up}
        known = [self.graph.vertices[index] for index in edit.touched]
        touched = [vertex for vertex in known if vertex is not None]
        self._off |= {vertex.index for vertex in touched if vertex.index in edit.new and not vertex.up}
        self._settle(vertex for vertex in touched if vertex.type == "node")

    def mark(self, ranks: IdSet, up: bool) -> None:
        """Take nodes that came up or went down."""
        self.up = self.up | ranks if up else self.up - ranks
        nodes = [node for node in self.graph.nodes() if node.rank in ranks and node.index not in self._off]
        for engine in self.engines.values():
            engine.mark(nodes, up)

    # -- updates --

    def prepare(
        self, changes: Sequence[Mapping[str, Any]], *, force: bool = False, limit: ResourceSet | None = None
    ) -> dict[str, Any]:
        """Make an update; BournError refuses it, and nothing has changed.

        Jobs lose what is removed only with `force`. `limit` is what the instance may have at most. Returns
        {changes, ranks, R, down, jobs}: the changes as they are to be repeated, what the ranks that it
        touches have now, all ranks that are closed now, and the jobs that lost something.
        """
        if self._prepared is not None:
            raise BournError("another update of the resources is under way", errno.EBUSY)
        edit = Edit(self.graph, self._plugins)
        made = edit.run(changes)
        off = set(self._off)
        self._take(edit)
        prepared = Prepared(edit, {}, off, made)
        ranks = IdSet(edit.ranks | {node.rank for node in self._nodes(edit.touched)})
        now = rset_of_nodes(self.graph, self._nodes(edit.touched))
        try:
            for name, engine in self.engines.items():
                prepared.successions[name] = Succession(engine, self.graph, edit.touched)
            if prepared.lost and not force:
                raise BournError(_held(prepared.lost), errno.EBUSY)
            if limit is not None:
                excess = now.diff(limit)
                if excess:
                    raise BournError(
                        f"the parent instance hasn't given {excess.summary()}; it gave {limit.summary()}"
                    )
        except BaseException:
            self._undo(prepared)
            raise
        self._prepared = prepared
        return {
            "changes": made,
            "ranks": str(ranks),
            "R": now.to_dict() if now else None,
            "down": str(self.closed()),
            "jobs": sorted(prepared.lost),
        }

    def commit(self) -> dict[int, list[str]]:
        """Let the prepared update stand; return the jobs that lost something by it."""
        prepared, self._prepared = self._prepared, None
        assert prepared is not None
        self.engines = {name: succession.new for name, succession in prepared.successions.items()}
        return prepared.lost

    def rollback(self) -> None:
        """Take the prepared update back."""
        prepared, self._prepared = self._prepared, None
        assert prepared is not None
        self._undo(prepared)

    def _undo(self, prepared: Prepared) -> None:
        prepared.edit.undo()
        for engine in self.engines.values():
            engine.number()
        self._off = prepared.off
        self._settle(self.graph.nodes())

    # -- what there is --

    def _nodes(self, indices: Iterable[int]) -> list[Vertex]:
        known = [self.graph.vertices[index] for index in sorted(indices)]
        return [node for node in known if node is not None and node.type == "node" and node.rank >= 0]

    def closed(self) -> IdSet:
        """Return the ranks that are down because somebody said so, of them or of what they lie in."""
        if not self._off:
            return IdSet()
        return IdSet(node.rank for node in self.graph.nodes() if node.rank >= 0 and self._is_off(node))

    def _is_off(self, vertex: Vertex) -> bool:
        above: Vertex | None = vertex
        while above is not None:
            if above.index in self._off:
                return True
            above = above.parent
        return False


def with_ranks(graph: ResourceGraph, rset: Mapping[str, Any]) -> ResourceGraph:
    """Give nodes of a description without ranks, as hwloc's, those that R gives their hosts."""
    nameless = [node for node in graph.nodes() if node.rank < 0]
    if not nameless:
        return graph
    known = ResourceSet.from_dict(rset)
    ranks = {known.hostname(rank): rank for rank in reversed(list(known.ranks))}
    for node in nameless:
        if node.name in ranks:
            for vertex in graph.subtree(node):
                vertex.rank = ranks[node.name]
    if all(node.rank < 0 for node in graph.nodes()):
        hosts = ", ".join(node.name for node in nameless[:_MANY])
        raise BournError(
            f"no node of the graph is a host of this instance ({known.nodelist}): it has {hosts}"
        )
    return graph


def _held(lost: Mapping[int, list[str]]) -> str:
    """Say who holds what would go."""
    (job, paths), *others = sorted(lost.items())
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    names = ", ".join(str(JobID(id)) for id, _ in others[:_MANY])
    also = f"; so do {names}{' and others' if len(others) > _MANY else ''}" if others else ""
    return (
        f"{paths[0]}{more}: job {JobID(job)} holds it{also}; set it down and wait until it is idle "
        "(--wait), or end the job (--force)"
    )
