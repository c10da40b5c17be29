"""How the engine asks a match policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.graph import Vertex
    from bourn_plugins.sched_graph.states import Cell, State

_NODE_WEIGHT = 10000


class StateLook:
    """A state as policies see it."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def type(self) -> str:
        """The type of the subtree's top."""
        return self._state.shape.type

    @property
    def idle(self) -> bool:
        """Whether nothing in it is in use."""
        return self._state.idle

    @property
    def properties(self) -> dict[str, str]:
        """States are equal whatever the properties: policies that need those score vertices."""
        return {}

    def free(self, type: str) -> int:
        """Return how many units of a type are free."""
        return self._state.free_units(type)

    def total(self, type: str) -> int:
        """Return how many units of a type there are."""
        return self._state.shape.totals.get(type, 0)


class Chooser:
    """A policy, in the terms of the engine: orders of siblings and of atoms, and ranks."""

    def __init__(self, policy: Any, node_exclusive: bool = False) -> None:
        self.policy = policy
        self.node_exclusive = node_exclusive
        self.high = bool(getattr(policy, "high", False))
        self.by_score = hasattr(policy, "high")
        self.node_centric = bool(getattr(policy, "node_centric", False))
        self.first = bool(getattr(policy, "stop_early", False))
        self.choose: Callable[..., int] | None = getattr(policy, "choose", None)
        self._order = getattr(policy, "order", None)
        self._prefer = getattr(policy, "prefer", None)
        self._score = getattr(policy, "score", None)

    def sibling(self, vertex: Vertex) -> Any:
        """Return the sort key of a vertex among its siblings."""
        if self._order is None:
            return vertex.id
        if self.first:
            return -vertex.uniq_id
        return self._order(vertex)

    def atom(self, vertex: Vertex) -> Any:
        """Return the sort key of an atom among all."""
        return self.sibling(vertex)

    def centric(self, vertex: Vertex) -> Any:
        """Return the sort key by which what lies in a node goes by the node's id."""
        factor = (vertex.id + 2) * _NODE_WEIGHT + abs(vertex.uniq_id % _NODE_WEIGHT - 1)
        return -factor if self.high else factor

    def rank(self, cell: Cell) -> Any:
        """Return the rank of an atom that fits; equal ones go by the order."""
        if self.first:
            return -cell.state.free_units("core") if cell.users else -(1 << 62)
        if self._prefer is not None:
            state = cell.state
            key = ("prefer", self.policy)
            rank = state.memo.get(key)
            if rank is None:
                rank = state.memo[key] = self._prefer(StateLook(state))
            return rank
        if self._score is not None:
            return self._score(cell.vertex, StateLook(cell.state))
        return 0
