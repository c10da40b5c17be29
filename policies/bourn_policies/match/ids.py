"""By id: high, low, and the policies in which the node's id comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from bourn.hookspecs.match_policy import Group, VertexView

_NODE_WEIGHT = 10000


class IdScorer:
    """Scores a vertex by its id; with `node_centric`, what is in a node by the node's id before all."""

    def __init__(self, high: bool, node_centric: bool = False, stop_early: bool = False) -> None:
        self.high = high
        self.node_centric = node_centric
        self.stop_early = stop_early
        self._above = 0

    def enter(self, vertex: VertexView) -> None:
        """Count a node's id into the scores of all below it."""
        if self.node_centric and vertex.type == "node":
            self._above += _node_score(vertex)

    def leave(self, vertex: VertexView) -> int:
        """Return the score of a vertex that is accepted."""
        if self.node_centric and vertex.type == "node":
            self._above -= _node_score(vertex)
        return self._above + vertex.id + 2

    def reset(self) -> None:
        """Start over."""
        self._above = 0

    def sort(self, groups: list[Group]) -> None:
        """Highest or lowest first; equals keep the order in which they were found."""
        groups.sort(key=_score, reverse=self.high)

    sort_slot = sort
    sort_graph = sort


def _score(group: Group) -> int:
    return group.score


def _node_score(vertex: VertexView) -> int:
    # The last four digits of the unique id part nodes of the same id, as in different racks.
    return (vertex.id + 2) * _NODE_WEIGHT + abs(vertex.uniq_id % _NODE_WEIGHT - 1)


@define
class IdPolicy:
    """Higher or lower ids first, at every level or with the node's id first."""

    high: bool
    node_centric: bool = False
    stop_early: bool = False
    _sign: int = field(init=False, default=1)

    def __attrs_post_init__(self) -> None:
        self._sign = -1 if self.high else 1

    def order(self, vertex: VertexView) -> Any:
        """Return the place of a vertex among its siblings."""
        return self._sign * vertex.id

    def scorer(self) -> IdScorer:
        """Return the exact scores."""
        return IdScorer(self.high, self.node_centric, self.stop_early)
