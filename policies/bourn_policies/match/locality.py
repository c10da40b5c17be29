"""Locality: contiguous ids, so that a job's resources share as few parents as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_policies.match.ids import IdPolicy, IdScorer
from bourn_policies.match.topology import contiguous

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.hookspecs.match_policy import Group


class LocalityScorer(IdScorer):
    """High ids first; at the top, the highest run of contiguous scores comes first, as it was found."""

    def __init__(self) -> None:
        super().__init__(high=True)
        self._scores: set[int] = set()

    def reset(self) -> None:
        """Start over."""
        super().reset()
        self._scores = set()

    def sort_graph(self, groups: list[Group]) -> None:
        """Sort by the start of the run of scores that a group lies in, highest first."""
        self._scores.update(group.score for group in groups)
        starts: dict[int, int] = {}
        start = previous = None
        for score in sorted(self._scores):
            if start is None or previous is None or score != previous + 1:
                start = score
            starts[score] = start
            previous = score
        groups.sort(key=lambda group: starts[group.score], reverse=True)


class LocalityPolicy(IdPolicy):
    """The tightest set of parents."""

    def __init__(self) -> None:
        super().__init__(high=True)

    def choose(self, mask: int, count: int, groups: Sequence[int]) -> int:
        """Return `count` whole nodes that lie side by side, if there are such."""
        return contiguous(mask, count)

    def scorer(self) -> LocalityScorer:
        """Return the exact scores."""
        return LocalityScorer()
