"""R of what a reader makes: a builder that keeps the nodes, and their cores and GPUs, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.model.hostlist import Hostlist
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CHILDREN = ("core", "gpu")


class Gatherer:
    """A `GraphBuilder` for readers that make parents before children. Handles are positions."""

    def __init__(self) -> None:
        self._node: list[int] = []
        """The rank of the node in which each vertex lies, -1 for none."""
        self._names: dict[int, str] = {}
        self._ids: dict[int, dict[str, set[int]]] = {}
        self._properties: dict[str, set[int]] = {}

    def vertex(
        self,
        type: str,
        parent: int | None = None,
        *,
        basename: str = "",
        id: int = -1,
        name: str = "",
        rank: int = -1,
        properties: Mapping[str, str] | None = None,
        **_more: object,
    ) -> int:
        """Note a node, or what lies in one."""
        node = -1 if parent is None else self._node[parent]
        if type == "node" and rank >= 0:
            node = rank
            self._names[rank] = name or f"{basename or type}{id}"
            self._ids[rank] = {}
            for key, value in (properties or {}).items():
                self._properties.setdefault(f"{key}={value}" if value else key, set()).add(rank)
        elif type in _CHILDREN and node >= 0:
            self._ids[node].setdefault(type, set()).add(id)
        self._node.append(node)
        return len(self._node) - 1

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
        """Note what lies in nodes."""
        nodes = self._node
        first = len(nodes)
        mine = [nodes[parent] for parent in parents]
        nodes.extend(mine)
        if type in _CHILDREN:
            for node, id in zip(mine, ids, strict=True):
                if node >= 0:
                    self._ids[node].setdefault(type, set()).add(id)
        return list(range(first, len(nodes)))

    def edge(
        self, source: int, target: int, subsystem: str = "containment", relation: str = "contains"
    ) -> None:
        """Relations say nothing of R."""

    def rset(self) -> dict[str, Any] | None:
        """Return R version 1 (RFC 20); None if no node has a core."""
        ranks = [rank for rank in sorted(self._names) if self._ids[rank].get("core")]
        if not ranks:
            return None
        alike: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for rank in ranks:
            children = tuple((type, str(IdSet(ids))) for type, ids in sorted(self._ids[rank].items()))
            alike.setdefault(children, []).append(rank)
        execution: dict[str, Any] = {
            "R_lite": [
                {"rank": str(IdSet(members)), "children": dict(children)}
                for children, members in alike.items()
            ],
            "nodelist": [str(Hostlist([self._names[rank] for rank in ranks]))],
            "starttime": 0.0,
            "expiration": 0.0,
        }
        if self._properties:
            execution["properties"] = {
                name: str(IdSet(found)) for name, found in sorted(self._properties.items())
            }
        return {"version": 1, "execution": execution}
