"""How the engine asks a match policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.engine.states import Cell, State
    from bourn_plugins.sched_graph.resources.graph import Vertex

_NODE_WEIGHT = 10000


class PolicyFault(Exception):
    """A match policy raised, or returned what can't be sorted."""


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

    def __init__(self, policy: Any, node_exclusive: bool = False, name: str = "") -> None:
        self.policy = policy
        self.name = name
        self.node_exclusive = node_exclusive
        self.high = bool(getattr(policy, "high", False))
        self.by_score = hasattr(policy, "high")
        self.node_centric = bool(getattr(policy, "node_centric", False))
        self.first = bool(getattr(policy, "stop_early", False))
        self.subsystem = str(getattr(policy, "subsystem", ""))
        self._choose = getattr(policy, "choose", None)
        self._key = ("prefer", id(policy))
        self._order = getattr(policy, "order", None)
        self._prefer = getattr(policy, "prefer", None)
        self._score = getattr(policy, "score", None)

    def sibling(self, vertex: Vertex) -> Any:
        """Return the sort key of a vertex among its siblings."""
        if self._order is None:
            return vertex.id
        if self.first:
            return -vertex.uniq_id
        try:
            return self._order(vertex)
        except Exception as error:
            raise PolicyFault(f"order() raised {type(error).__name__}: {error}") from error

    def atom(self, vertex: Vertex) -> Any:
        """Return the sort key of an atom among all."""
        return self.sibling(vertex)

    def centric(self, vertex: Vertex) -> Any:
        """Return the sort key by which what lies in a node goes by the node's id."""
        factor = (vertex.id + 2) * _NODE_WEIGHT + abs(vertex.uniq_id % _NODE_WEIGHT - 1)
        return -factor if self.high else factor

    def rank(self, cell: Cell) -> Any:
        """Return the rank of an atom that fits; equal ones go by the order. PolicyFault if the policy
        fails.
        """
        if self.first:
            return -cell.state.free_units("core") if cell.users else -(1 << 62)
        if self._prefer is not None:
            return self.preference(cell.state)
        if self._score is not None:
            return self._ask(self._score, cell.vertex, StateLook(cell.state))
        return 0

    def preference(self, state: State) -> Any:
        """Return the key that the policy gives a state; None if it isn't asked about states."""
        if self._prefer is None:
            return None
        rank = state.memo.get(self._key)
        if rank is None:
            rank = self._ask(self._prefer, StateLook(state))
            state.keep(self._key, rank)
        return rank

    def pick(self, mask: int, count: int, groups: list[int]) -> int:
        """Return `count` bits of a mask, as a policy that chooses among whole atoms wants them."""
        chosen = self._ask(self._choose, mask, count, groups)
        if not isinstance(chosen, int) or chosen & ~mask or chosen.bit_count() != count:
            raise PolicyFault(f"choose() must return {count} bits of the mask, not {chosen!r}")
        return chosen

    def disable(self) -> None:
        """Ask the policy no more about what changes: what is there goes by the order that it has."""
        self._prefer = self._score = self._choose = None

    def disable_order(self) -> None:
        """Ask the policy nothing more: vertices go by ids, once an engine is made anew."""
        self.disable()
        self._order = None

    def _ask(self, method: Any, *arguments: Any) -> Any:
        try:
            answer = method(*arguments)
        except Exception as error:
            raise PolicyFault(f"{method.__name__}() raised {type(error).__name__}: {error}") from error
        if answer is None:
            raise PolicyFault(f"{method.__name__}() returned None")
        return answer

    @property
    def asks(self) -> bool:
        """Whether the policy is asked about what changes."""
        return any((self._prefer, self._score, self._choose))

    @property
    def chooses(self) -> bool:
        """Whether the policy chooses among whole atoms by itself."""
        return self._choose is not None
