"""Variation: nodes of like performance together, by the property ``perf_class``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn_policies.match.ids import IdScorer

if TYPE_CHECKING:
    from bourn.hookspecs.match_policy import Group, VertexView

_WORST = 9999


def perf_class(vertex: VertexView) -> int:
    """Return the performance class of a vertex, 0 the best; 9999 where it is missing or out of range."""
    text = (vertex.properties or {}).get("perf_class", "")
    try:
        number = int(text)
    except ValueError:
        return _WORST
    return number if 0 <= number <= _WORST else _WORST


class VariationScorer(IdScorer):
    """Ascending by class; the parts of a slot descending."""

    def __init__(self) -> None:
        super().__init__(high=False)

    def leave(self, vertex: VertexView) -> int:
        """Return the score of a vertex that is accepted."""
        return 1 + perf_class(vertex)

    def sort_slot(self, groups: list[Group]) -> None:
        """Sort the parts of slots."""
        groups.sort(key=lambda group: group.score, reverse=True)


class VariationPolicy:
    """Nodes of the best class first."""

    def order(self, vertex: VertexView) -> Any:
        """Return the class."""
        return perf_class(vertex)

    def scorer(self) -> VariationScorer:
        """Return the exact scores."""
        return VariationScorer()
