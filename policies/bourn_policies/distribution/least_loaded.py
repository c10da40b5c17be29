"""Least loaded: the child with the most idle share, then with the fewest jobs waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.distribution import DistributionPolicySpec
from bourn_policies.distribution.options import check_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bourn.hookspecs.distribution import Child
    from bourn.hookspecs.sched import AllocRequest


class LeastLoaded:
    """Compares shares, not numbers, so that a big child gets more than a small one."""

    def choose(self, job: AllocRequest, children: Sequence[Child]) -> int:
        """Return the position of the least loaded child; of equals the first."""

        def load(position: int) -> tuple[float, float]:
            child = children[position]
            cores = max(child.ncores, 1)
            return child.cores_busy / cores, child.pending / cores

        return min(range(len(children)), key=load)


def _make(options: Mapping[str, Any]) -> LeastLoaded:
    check_options("least-loaded", options)
    return LeastLoaded()


@hookimpl
def bourn_distribution_policies() -> Iterable[DistributionPolicySpec]:
    """Register `least-loaded`."""
    yield DistributionPolicySpec("least-loaded", _make, "the child with the largest idle share")
