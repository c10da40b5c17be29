"""Topology: as few racks, or switches, as possible; and contiguous runs. Both choose on masks of whole
nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError, suggest
from bourn.model.bits import lowest
from bourn.model.idset import mask_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn.hookspecs.match_policy import VertexView


class TopologyPolicy:
    """Nodes below one rack if one has enough (the tightest such), otherwise from the emptiest racks.

    Where the graph has a network it is switches in place of racks: those of `subsystem`, or without one the
    vertices of any subsystem whose type ends with ``switch``.
    """

    def __init__(self, subsystem: str = "") -> None:
        self.subsystem = subsystem

    def order(self, vertex: VertexView) -> Any:
        """Lower ids first."""
        return vertex.id

    def choose(self, mask: int, count: int, groups: Sequence[int]) -> int:
        """Return `count` bits of `mask` from as few groups as possible."""
        sizes = [(group & mask).bit_count() for group in groups]
        enough = [k for k, size in enumerate(sizes) if size >= count]
        if enough:
            tightest = min(enough, key=lambda k: (sizes[k], k))
            return lowest(groups[tightest] & mask, count)
        chosen = 0
        for k in sorted(range(len(groups)), key=lambda k: (-sizes[k], k)):
            free = groups[k] & mask & ~chosen
            left = count - chosen.bit_count()
            if free.bit_count() >= left:
                # The last rack is the one that its share fills best.
                tight = min(
                    (
                        other
                        for other in range(len(groups))
                        if (groups[other] & mask & ~chosen).bit_count() >= left
                    ),
                    key=lambda other: ((groups[other] & mask & ~chosen).bit_count(), other),
                )
                return chosen | lowest(groups[tight] & mask & ~chosen, left)
            chosen |= free
        return chosen | lowest(mask & ~chosen, count - chosen.bit_count())


def make_topology(options: Mapping[str, Any]) -> TopologyPolicy:
    """Return the policy of some options: ``subsystem``. ConfigError names what is wrong."""
    for key, value in options.items():
        if key != "subsystem":
            raise ConfigError(f"topology policy: unknown option '{key}'{suggest(key, ('subsystem',))}")
        if not isinstance(value, str):
            raise ConfigError(f"topology policy: subsystem must be a name, as ibnet, not {value!r}")
    return TopologyPolicy(**options)


def contiguous(mask: int, count: int) -> int:
    """Return `count` bits of `mask` from the shortest run that has them, or from the longest runs."""
    runs = [(first, last - first + 1) for first, last in mask_ranges(mask)]
    enough = [run for run in runs if run[1] >= count]
    if enough:
        start, _ = min(enough, key=lambda run: (run[1], run[0]))
        return ((1 << count) - 1) << start
    chosen, left = 0, count
    for start, length in sorted(runs, key=lambda run: (-run[1], run[0])):
        length = min(length, left)
        chosen |= ((1 << length) - 1) << start
        left -= length
        if not left:
            break
    return chosen
