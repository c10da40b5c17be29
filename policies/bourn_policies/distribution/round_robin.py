"""Round robin: children take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.distribution import DistributionPolicySpec
from bourn_policies.distribution.options import check_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bourn.hookspecs.distribution import Child
    from bourn.hookspecs.sched import AllocRequest


class RoundRobin:
    """The next in the order of `Child.index` after the one that had the last job, whichever those asked for
    are."""

    def __init__(self) -> None:
        self._last = -1

    def choose(self, job: AllocRequest, children: Sequence[Child]) -> int:
        """Return the first child behind the last one, or from the beginning."""
        later = (position for position, child in enumerate(children) if child.index > self._last)
        position = next(later, 0)
        self._last = children[position].index
        return position


def _make(options: Mapping[str, Any]) -> RoundRobin:
    check_options("round-robin", options)
    return RoundRobin()


@hookimpl
def bourn_distribution_policies() -> Iterable[DistributionPolicySpec]:
    """Register `round-robin`."""
    yield DistributionPolicySpec("round-robin", _make, "children take turns")
