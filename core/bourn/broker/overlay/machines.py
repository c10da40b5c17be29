"""What the machines have on which brokers run, put together on the way up the tree. No I/O.

A broker tells its parent of a machine once, with all that are alike in one entry, and of all that it knows
when a link is made anew. What the parent hears over a link is told before the report that says who is online:
rank 0 knows the machine of whoever it sees come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.model.hostlist import Hostlist
from bourn.model.idset import mask_ranges, mask_text, parse_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Machine(NamedTuple):
    """What a broker has found out of its machine: bit masks of the cores and GPUs that it may use."""

    host: str
    cores: int = 0
    gpus: int = 0
    error: str = ""
    """Why it couldn't."""


class Machines:
    """The machines of one broker and those below it, by rank, as they were when last heard of."""

    def __init__(self) -> None:
        self.known: dict[int, Machine] = {}
        self.changes = 0
        """How often something new was learnt."""
        self._news = 0

    def note(self, rank: int, machine: Machine) -> None:
        """Learn what a rank's machine has."""
        if self.known.get(rank) != machine:
            self.known[rank] = machine
            self._news |= 1 << rank
            self.changes += 1

    def take(self, machines: Iterable[tuple[int, Machine]]) -> None:
        """Learn what a child tells."""
        for rank, machine in machines:
            self.note(rank, machine)

    def forget(self, ranks: int) -> None:
        """Know nothing of ranks (a bit mask): they have left for good."""
        for rank in [rank for rank in self.known if ranks >> rank & 1]:
            del self.known[rank]
            self.changes += 1
        self._news &= ~ranks

    def news(self, linked: int) -> list[dict[str, Any]]:
        """Return what the parent hasn't been told yet of these ranks (a bit mask); it has been from now on.

        Those that aren't linked here now may tell it another way, and maybe something newer.
        """
        if not self._news & linked:
            return []
        news, self._news = self._news & linked, self._news & ~linked
        return to_payload({rank: self.known[rank] for rank in _ids(news)})

    def all(self, linked: int) -> list[dict[str, Any]]:
        """Return all that is known of these ranks, for another parent; it knows nothing else from now on."""
        told = {rank: machine for rank, machine in self.known.items() if linked >> rank & 1}
        self._news = sum(1 << rank for rank in self.known.keys() - told.keys())
        return to_payload(told)

    def payload(self) -> list[dict[str, Any]]:
        """Return all that is known."""
        return to_payload(self.known)


def to_payload(machines: dict[int, Machine]) -> list[dict[str, Any]]:
    """Return entries `{rank, hosts, children | error}` for machines by rank: one for all that are alike.

    `rank` and `children` are as in R (RFC 20); `hosts` are as many as ranks, or one for all.
    """
    alike: dict[tuple[int, int, str], dict[int, str]] = {}
    for rank in sorted(machines):
        host, *rest = machines[rank]
        alike.setdefault(tuple(rest), {})[rank] = host  # type: ignore[arg-type]
    entries = []
    for (cores, gpus, error), hosts in alike.items():
        entry: dict[str, Any] = {"rank": mask_text(sum(1 << rank for rank in hosts))}
        names = list(hosts.values())
        entry["hosts"] = names[0] if len(set(names)) == 1 else str(Hostlist(names))
        if error:
            entry["error"] = error
        else:
            children = {"core": cores, "gpu": gpus}
            entry["children"] = {kind: mask_text(mask) for kind, mask in children.items() if mask}
        entries.append(entry)
    return entries


def from_payload(payload: Any) -> Iterator[tuple[int, Machine]]:
    """Yield (rank, machine) of what `to_payload` made; raises ValueError or BournError for something else."""
    try:
        for entry in payload:
            children = entry.get("children", {})
            cores, gpus = (parse_mask(children.get(kind, "")) for kind in ("core", "gpu"))
            ranks, hosts = list(_ids(parse_mask(entry["rank"]))), list(Hostlist(str(entry["hosts"])))
            if len(hosts) == 1:
                hosts *= len(ranks)
            error = str(entry.get("error", ""))
            for rank, host in zip(ranks, hosts, strict=True):
                yield rank, Machine(host, cores, gpus, error)
    except (KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"no machines: {error!r}") from None


def _ids(mask: int) -> Iterator[int]:
    return (rank for low, high in mask_ranges(mask) for rank in range(low, high + 1))
