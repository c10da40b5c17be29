"""Two choices: of two children picked at random the one that has less to do for its size."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.distribution import DistributionPolicySpec
from bourn_policies.distribution.options import check_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bourn.hookspecs.distribution import Child
    from bourn.hookspecs.sched import AllocRequest


class TwoChoices:
    """Nearly as even as looking at all children, at a cost that doesn't grow with their number."""

    def __init__(self) -> None:
        self._random = Random(0)  # decisions can be replayed

    def choose(self, job: AllocRequest, children: Sequence[Child]) -> int:
        """Return the position of the better of two."""
        if len(children) == 1:
            return 0
        one, other = self._random.sample(range(len(children)), 2)
        return one if _load(children[one]) <= _load(children[other]) else other


def _load(child: Child) -> float:
    return child.cores_busy / max(child.ncores, 1)


def _make(options: Mapping[str, Any]) -> TwoChoices:
    check_options("two-choices", options)
    return TwoChoices()


@hookimpl
def bourn_distribution_policies() -> Iterable[DistributionPolicySpec]:
    """Register `two-choices`."""
    yield DistributionPolicySpec("two-choices", _make, "the less loaded of two picked at random")
