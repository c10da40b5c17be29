"""From jobspecs to what the pool understands, and from what it grants to R (RFC 20)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bourn.model.idset import IdSet, mask_text, parse_mask
from bourn_plugins.sched_simple.pool import Ask, Node, Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.model.counts import Counts

text_of_mask = lru_cache(4096)(mask_text)
"""The idset text of a mask: the same few sets of cores are granted again and again."""


def ask_of(counts: Counts, where: Callable[[Node], bool] | None = None) -> Ask | str:
    """Return what a jobspec of this size asks for, or the reason why this scheduler can't say."""
    if counts.complex:
        return (
            f"{counts.complex} needs a scheduler with a resource graph; this one knows nodes, cores and GPUs"
        )
    if counts.nodes_per_slot:
        # Slots of whole nodes: each node is a slot of the pool, with its share of the cores asked for.
        each = counts.nodes_per_slot
        return Ask(
            slots=counts.nnodes or 0,
            cores=-(-counts.cores_per_slot // each),
            gpus=-(-counts.gpus_per_slot // each),
            nodes=counts.nnodes,
            exclusive=counts.exclusive,
            where=where,
        )
    return Ask(
        slots=counts.nslots,
        cores=counts.cores_per_slot,
        gpus=counts.gpus_per_slot,
        nodes=counts.nnodes,
        exclusive=counts.exclusive,
        where=where,
    )


def nodes_of(rset: Mapping[str, Any]) -> list[Node]:
    """Return the nodes of a resource set R, in the order of their ranks."""
    from bourn.model.rset import ResourceSet

    resources = ResourceSet.from_dict(rset)
    return [
        Node(
            rank,
            resources.hostname(rank),
            resources.cores(rank).mask,
            resources.gpus(rank).mask,
            frozenset(resources.properties_of(rank)),
        )
        for rank in resources.ranks
    ]


def shares_of(rset: Mapping[str, Any]) -> list[Share]:
    """Return what an allocated R holds on each rank."""
    return [
        Share(
            rank, parse_mask(entry["children"].get("core", "")), parse_mask(entry["children"].get("gpu", ""))
        )
        for entry in rset["execution"]["R_lite"]
        for rank in IdSet(entry["rank"])
    ]


def rset_of(
    shares: Sequence[Share], nodes: Mapping[int, Node], start: float, expiration: float
) -> dict[str, Any]:
    """Return the R of an allocation; ranks with equal children share an entry, `expiration` 0 means none."""
    lite = [
        {"rank": text_of_mask(ranks), "children": _children(cores, gpus)}
        for (cores, gpus), ranks in _alike(shares).items()
    ]
    hosts = [nodes[share.rank].host for share in shares]
    execution: dict[str, Any] = {"R_lite": lite, "nodelist": _hostlist(hosts)}
    execution["starttime"] = start
    execution["expiration"] = expiration
    properties = _properties([nodes[share.rank] for share in shares])
    if properties:
        execution["properties"] = properties
    return {"version": 1, "execution": execution}


def _alike(shares: Iterable[Share]) -> dict[tuple[int, int], int]:
    """Return the mask of ranks for each pair of core and GPU masks."""
    groups: dict[tuple[int, int], int] = {}
    for share in shares:
        key = (share.cores, share.gpus)
        groups[key] = groups.get(key, 0) | 1 << share.rank
    return groups


@lru_cache(4096)
def _children(cores: int, gpus: int) -> dict[str, str]:
    children = {}
    if cores:
        children["core"] = mask_text(cores)
    if gpus:
        children["gpu"] = mask_text(gpus)
    return children


def _hostlist(hosts: list[str]) -> list[str]:
    if len(hosts) == 1:
        return hosts
    from bourn.model.hostlist import Hostlist

    return [str(Hostlist(hosts))]


def _properties(nodes: Iterable[Node]) -> dict[str, str]:
    """Return the ranks of each property; those that start with `+` stay within the instance (RFC 20)."""
    ranks: dict[str, int] = {}
    for node in nodes:
        for name in node.properties:
            if not name.startswith("+"):
                ranks[name] = ranks.get(name, 0) | 1 << node.rank
    return {name: text_of_mask(mask) for name, mask in sorted(ranks.items())}
