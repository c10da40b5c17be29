"""What brokers find of their machines against what R says of their ranks. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from bourn.broker.overlay.machines import Machine
    from bourn.model.event import Event


def remembered(events: Iterable[Event], members: Container[int]) -> ResourceSet:
    """Return what was found of each rank, by the resource eventlog; ranks that aren't members are forgotten.

    Raises BournError, KeyError or TypeError where an event isn't one.
    """
    found: dict[int, tuple[str, IdSet, IdSet]] = {}
    for event in events:
        if event.name == "resource-define" and "R" in event.context:
            R = ResourceSet.from_dict(event.context["R"])
            found.update({rank: (R.hostname(rank), R.cores(rank), R.gpus(rank)) for rank in R.ranks})
    return ResourceSet.from_nodes((rank, *found[rank]) for rank in found if rank in members)


def replaced(rset: ResourceSet, found: ResourceSet) -> ResourceSet:
    """Return R with what was found in place of what it said of those ranks."""
    return rset.copy_ranks(rset.ranks - found.ranks).union(found)


def to_define(rset: ResourceSet, machines: Mapping[int, Machine], anew: Container[int] = ()) -> ResourceSet:
    """Return what R is to say of ranks of which it says nothing yet, and of those that are known `anew`
    where it says something else.

    One of whose machine nothing could be found out has no cores.
    """
    return ResourceSet.from_nodes(
        (rank, machine.host, IdSet.from_mask(machine.cores), IdSet.from_mask(machine.gpus))
        for rank, machine in machines.items()
        if rank not in rset.ranks
        or (not machine.error and (rank in anew or not _has_any(rset, rank)) and _unlike(rset, rank, machine))
    )


def faults(rset: ResourceSet, machines: Mapping[int, Machine]) -> dict[str, IdSet]:
    """Return which ranks don't have what R says that they have, by the reason to drain them."""
    found: dict[str, set[int]] = {}
    for rank, machine in machines.items():
        if rank in rset.ranks:
            reason = _fault(rset, rank, machine)
            if reason:
                found.setdefault(reason, set()).add(rank)
    return {reason: IdSet(ranks) for reason, ranks in found.items()}


def surplus(rset: ResourceSet, machines: Mapping[int, Machine]) -> dict[int, str]:
    """Return what ranks have beyond what R says, as cores and GPUs."""
    found = {
        rank: _text(machine.cores & ~rset.cores(rank).mask, machine.gpus & ~rset.gpus(rank).mask)
        for rank, machine in machines.items()
        if rank in rset.ranks
    }
    return {rank: text for rank, text in found.items() if text}


def _fault(rset: ResourceSet, rank: int, machine: Machine) -> str:
    if machine.error:
        return f"its machine can't be looked at: {machine.error}"
    host = rset.hostname(rank)
    if host and not _same(host, machine.host):
        return f"host {machine.host} is here in place of {host}"
    missing = _text(rset.cores(rank).mask & ~machine.cores, rset.gpus(rank).mask & ~machine.gpus)
    return f"missing resources: {missing}" if missing else ""


def _same(one: str, other: str) -> bool:
    """Whether two names are a host's; one of them may lack the domain."""
    if "." in one and "." in other:
        return one == other
    return one.partition(".")[0] == other.partition(".")[0]


def _unlike(rset: ResourceSet, rank: int, machine: Machine) -> bool:
    has = (rset.hostname(rank), rset.cores(rank).mask, rset.gpus(rank).mask)
    return has != (machine.host, machine.cores, machine.gpus)


def _has_any(rset: ResourceSet, rank: int) -> bool:
    return bool(rset.cores(rank) or rset.gpus(rank))


def _text(cores: int, gpus: int) -> str:
    parts = (("cores", cores), ("gpus", gpus))
    return ", ".join(f"{name} {IdSet.from_mask(mask)}" for name, mask in parts if mask)
