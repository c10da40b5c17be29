"""Pack and spread: the fullest nodes first, or the emptiest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bourn.hookspecs.match_policy import StateView


class PackPolicy:
    """Fullest first, so that whole nodes stay free for the jobs that need them."""

    def prefer(self, state: StateView) -> Any:
        """Return the number of free cores."""
        return state.free("core")


class SpreadPolicy:
    """Emptiest first, so that jobs share memory bandwidth and coolers with as few others as possible."""

    def prefer(self, state: StateView) -> Any:
        """Return the number of free cores, the most first."""
        return -state.free("core")


class AffinityPolicy:
    """Jobs keep off free GPUs that they didn't ask for.

    A slot with a GPU always takes its cores from the GPU's own NUMA domain, or socket, where the graph knows
    such; this keeps those cores free for it: first nodes, and in a node domains, without free GPUs, then
    those with the fewest, then the fullest.
    """

    def prefer(self, state: StateView) -> Any:
        """Return the free GPUs, then the free cores."""
        return (state.free("gpu"), state.free("core"))
