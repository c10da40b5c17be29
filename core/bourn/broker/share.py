"""Which part of a job's resources each of its brokers gets. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Sequence


def divide(R: ResourceSet, nodes: Sequence[int]) -> ResourceSet:
    """Return R by the ranks of brokers: `nodes` are the ranks in R of the nodes where brokers 0, 1, ... run.

    A broker that has a node for itself gets all that R has there. Several on one node get equal parts of its
    cores and GPUs, in their order, the first ones more where that doesn't come out even; one for which
    nothing is left isn't in the result. Raises BournError where R has nothing on a broker's node.
    """
    here: dict[int, list[int]] = {}
    for broker, node in enumerate(nodes):
        here.setdefault(node, []).append(broker)
    stray = IdSet(here) - R.ranks
    if stray:
        brokers = IdSet(broker for node in stray for broker in here[node])
        raise BournError(f"brokers {brokers} run on rank {stray}, where the job has no resources")
    shares: dict[int, tuple[str, IdSet, IdSet]] = {}
    for node, there in here.items():
        cores, gpus = _parts(R.cores(node), len(there)), _parts(R.gpus(node), len(there))
        for broker, own_cores, own_gpus in zip(there, cores, gpus, strict=True):
            if own_cores or own_gpus:
                shares[broker] = (R.hostname(node), own_cores, own_gpus)
    divided = ResourceSet.from_nodes((broker, *shares[broker]) for broker in sorted(shares))
    divided.starttime, divided.expiration = R.starttime, R.expiration
    for name, ranks in R.properties.items():
        divided.properties[name] = IdSet(broker for broker in shares if nodes[broker] in ranks)
    return divided


def _parts(ids: IdSet, count: int) -> list[IdSet]:
    all, (each, more) = list(ids), divmod(len(ids), count)
    ends = [each * (n + 1) + min(n + 1, more) for n in range(count)]
    return [IdSet(all[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
