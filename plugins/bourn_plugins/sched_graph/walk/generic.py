"""The walk's scores for policies of any kind: by their sort keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from bourn_plugins.sched_graph.engine.policy import StateLook
from bourn_plugins.sched_graph.engine.states import Interner

if TYPE_CHECKING:
    from bourn.hookspecs.match_policy import Scorer
    from bourn_plugins.sched_graph.resources.graph import Vertex
    from bourn_plugins.sched_graph.walk.ledger import Ledger


class KeyScorer:
    """Sorts by the key that a policy gives the node, then the vertex; a slot goes by its first part."""

    stop_early = False

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.ledger: Ledger | None = None
        self._shapes = Interner(lambda vertex: vertex.uniq_id)

    def enter(self, vertex: Vertex) -> None:
        """Nothing: keys don't add up."""

    def leave(self, vertex: Vertex) -> int:
        """Return that the vertex is acceptable."""
        return 1

    def reset(self) -> None:
        """Nothing is kept."""

    def sort(self, groups: list[Any]) -> None:
        """Smallest key first; equals keep the order in which they were found."""
        groups.sort(key=self._key)

    sort_slot = sort
    sort_graph = sort

    def _key(self, group: Any) -> Any:
        if not group.edges:
            return ()
        vertex = group.edges[0][1]
        node = vertex.parent
        while node is not None and node.type != "node":
            node = node.parent
        return (self._ask(vertex),) if node is None else (self._ask(node), self._ask(vertex))

    def _ask(self, vertex: Vertex) -> Any:
        policy = self.policy
        if hasattr(policy, "order"):
            return policy.order(vertex)
        look = StateLook(self._state(vertex))
        if hasattr(policy, "prefer"):
            return policy.prefer(look)
        return policy.score(vertex, look)

    def _state(self, vertex: Vertex) -> Any:
        """Return the state of a subtree now: what anyone uses isn't free."""
        cell = self._shapes.cell(vertex)
        if self.ledger is not None:
            self._use(cell, self.ledger)
        return cell.state

    def _use(self, cell: Any, ledger: Ledger) -> None:
        for kid in cell.kids:
            self._use(kid, ledger)
        cell.users = len(ledger.tags.get(cell.vertex.index, ()))
        cell.taken = cell.vertex.index in ledger.allocations
        for i, group in enumerate(cell.leaves):
            cell.free[i] = sum(1 << k for k, leaf in enumerate(group) if leaf.index not in ledger.plans)
        cell.state = self._shapes.state(cell)


def scorer_of(policy: Any) -> Scorer:
    """Return the exact scores of a stock policy, or ones that ask a policy of any kind."""
    make = getattr(policy, "scorer", None)
    if make is not None:
        scorer: Scorer = make()
        return scorer
    return cast("Scorer", KeyScorer(policy))
