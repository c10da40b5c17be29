"""Who belongs to an instance, on which hosts, and who is whose parent. No I/O.

Rank 0 decides it. The others learn it when they are linked and whenever it changes, and pass it on to those
below them; of two of these objects the one with the higher version counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from bourn.broker.overlay.topology import LEFT, Topology, kary
from bourn.errors import BournError
from bourn.model.idset import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@frozen
class Members:
    """The brokers of an instance at one time.

    A rank is given once: of those that have left for good only the number and the host's name remain.

    Attributes:
        topology: the tree, in which those that have left have no place.
        instance: what all brokers of the instance have in common, and no others.
        hosts: the name of each rank's host; empty where a broker hasn't been told yet.
        version: when rank 0 was started (ms since the epoch), and how often this has changed since; (0, 0) is
            what a broker takes for granted at its start.
    """

    topology: Topology
    instance: str = ""
    hosts: tuple[str, ...] = ()
    version: tuple[int, int] = (0, 0)

    @classmethod
    def flat(cls, size: int, host: str | None = None) -> Members:
        """Return so many brokers, all right below rank 0; `host` is that of one which is alone."""
        return cls(kary(size, 0), hosts=(host,) if host and size == 1 else ())

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Members:
        """Read what `payload` wrote; raises ValueError or BournError where it is something else."""
        from bourn.model.hostlist import Hostlist

        try:
            parents = tuple(int(parent) for parent in payload["parents"])
            hosts = tuple(Hostlist(payload["hosts"]))
            start, count = map(int, payload["version"])
            instance, name = payload["instance"], payload["topology"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"no list of members: {error!r}") from None
        if not parents or any(not LEFT <= parent < len(parents) for parent in parents):
            raise ValueError("a list of members with parents that aren't in it")
        if hosts and len(hosts) != len(parents):
            raise ValueError(f"a list of {len(parents)} members on {len(hosts)} hosts")
        return cls(Topology(parents, str(name)), str(instance), hosts, (start, count))

    def payload(self) -> dict[str, Any]:
        """Return what tells another broker."""
        return {
            "version": [*self.version],
            "instance": self.instance,
            "topology": self.topology.name,
            "parents": [*self.topology.parents],
            "hosts": _text(self.hosts),
        }

    def __contains__(self, rank: int) -> bool:
        return rank >= 0 and bool(self.topology.mask >> rank & 1)

    @property
    def next(self) -> int:
        """The first rank that was never given."""
        return self.topology.size

    @property
    def size(self) -> int:
        """How many brokers belong to the instance."""
        return self.mask.bit_count()

    @property
    def mask(self) -> int:
        """Their ranks, as a bit mask."""
        return self.topology.mask

    @property
    def left(self) -> int:
        """The ranks that have left for good, as a bit mask."""
        return ((1 << self.next) - 1) & ~self.mask

    @property
    def ranks(self) -> list[int]:
        """Their ranks, in order."""
        return [rank for rank, parent in enumerate(self.topology.parents) if parent != LEFT]

    @property
    def hostlist(self) -> str:
        """Their hosts, in the order of ranks."""
        return _text(self.hosts[rank] for rank in self.ranks) if self.hosts else ""

    @property
    def life(self) -> int:
        """Which of rank 0's lives this is of: one that is started again begins everything anew."""
        return self.version[0]

    @property
    def _next_version(self) -> tuple[int, int]:
        return self.version[0], self.version[1] + 1

    def objection(self, rank: int) -> str | None:
        """Say why a rank doesn't belong to the instance, or None."""
        if rank in self:
            return None
        if 0 <= rank < self.next:
            return f"rank {rank} has left the instance for good"
        text = "rank 0 only" if self.size == 1 else f"ranks {mask_text(self.mask)}"
        return f"no rank {rank}; the instance has {text}"

    def grown(self, topology: Topology, hosts: Iterable[str]) -> Members:
        """Return those of a tree of more ranks, the new ones on `hosts`.

        Raises BournError where brokers that there are would get other parents, or new ones none.
        """
        now = self.topology.parents
        if any(old not in (LEFT, new) for old, new in zip(now, topology.parents, strict=False)):
            raise BournError(f"topology '{topology.name}': brokers that run would get other parents")
        new = topology.parents[self.next :]
        for rank, parent in enumerate(new, start=self.next):
            if self.left >> parent & 1:
                raise BournError(f"rank {rank} would be below rank {parent}, which has left for good")
        tree = Topology((*now, *new), topology.name)
        return evolve(self, topology=tree, hosts=(*self.hosts, *hosts), version=self._next_version)

    def without(self, ranks: Iterable[int]) -> Members:
        """Return what is left when ranks leave for good.

        Raises BournError where one isn't there, is rank 0, or has others below it that stay.
        """
        gone, parents = set(ranks), list(self.topology.parents)
        for rank in sorted(gone):
            objection = self.objection(rank)
            if objection is not None:
                raise BournError(objection)
            if rank == 0:
                raise BournError("rank 0 can't leave: it ends with the instance")
            stay = [child for child in self.topology.children[rank] if child not in gone]
            if stay:
                raise BournError(f"rank {rank} can't leave: rank {stay[0]} is below it")
            parents[rank] = LEFT
        tree = Topology(tuple(parents), self.topology.name)
        return evolve(self, topology=tree, version=self._next_version)


def _text(hosts: Iterable[str]) -> str:
    from bourn.model.hostlist import Hostlist

    return str(Hostlist(hosts))
