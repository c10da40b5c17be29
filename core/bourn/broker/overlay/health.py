"""`overlay status`: the state of each rank, from who is online and who is lost. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn.broker.overlay.topology import Topology

FULL, PARTIAL, DEGRADED = "full", "partial", "degraded"
ASTRAY, LOST, OFFLINE = "astray", "lost", "offline"


def statuses(topology: Topology, online: int, lost: int, astray: int = 0) -> list[str]:
    """Return the state of every rank; the sets are bit masks.

    A rank that is online is ``full`` when all below it are, ``degraded`` when one below it is lost, astray or
    degraded, else ``partial``. One that isn't online is ``astray`` while it may be reached another way than
    through a broker that was lost, ``lost`` if it went without a word, else ``offline``: it has not come yet,
    or was shut down.
    """
    found = [OFFLINE] * topology.size
    for rank in reversed(list(topology.subtree(0))):
        if not online >> rank & 1:
            found[rank] = ASTRAY if astray >> rank & 1 else LOST if lost >> rank & 1 else OFFLINE
            continue
        below = {found[child] for child in topology.children[rank]}
        if below & {LOST, ASTRAY, DEGRADED}:
            found[rank] = DEGRADED
        else:
            found[rank] = PARTIAL if below & {OFFLINE, PARTIAL} else FULL
    return found
