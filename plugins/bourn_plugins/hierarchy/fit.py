"""Whether a job could run in a child at all, by counts of nodes, cores and GPUs. Pure.

What counts don't say (constraints, unusual resources) the child itself finds out: it denies the job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bourn.model.counts import Counts


class Capacity(NamedTuple):
    """What a child has."""

    nodes: tuple[tuple[int, int], ...]
    """(cores, GPUs) of each node."""
    whole: bool
    """Whether its nodes are shared with nobody."""

    @property
    def ncores(self) -> int:
        """Cores of all nodes."""
        return sum(cores for cores, _ in self.nodes)

    @property
    def ngpus(self) -> int:
        """GPUs of all nodes."""
        return sum(gpus for _, gpus in self.nodes)


class Needs(NamedTuple):
    """What a job asks for; jobs of equal needs fit the same children."""

    nnodes: int
    """0 where it doesn't matter."""
    nslots: int
    cores: int
    """Of each slot, or with `nnodes` of each node."""
    gpus: int
    exclusive: bool
    ncores: int
    """How many cores it keeps busy."""

    def fit(self, capacity: Capacity) -> bool:
        """Say whether a child that is idle could run the job."""
        if self.exclusive and not capacity.whole:
            return False
        if self.nnodes:
            fitting = sum(cores >= self.cores and gpus >= self.gpus for cores, gpus in capacity.nodes)
            return fitting >= self.nnodes
        slots = 0
        for cores, gpus in capacity.nodes:
            here = cores // self.cores if self.cores else self.nslots
            slots += min(here, gpus // self.gpus) if self.gpus else here
        return slots >= self.nslots


def needs_of(counts: Counts) -> Needs:
    """Return what a job of these counts needs."""
    ncores = counts.ncores or counts.nslots * counts.cores_per_slot
    if counts.nnodes:
        per_node = -(-counts.nslots // counts.nnodes)
        cores, gpus = counts.cores_per_slot * per_node, counts.gpus_per_slot * per_node
        if counts.nodes_per_slot:
            cores, gpus = -(-counts.ncores // counts.nnodes), -(-counts.ngpus // counts.nnodes)
        return Needs(counts.nnodes, 0, cores, gpus, counts.exclusive, max(ncores, 1))
    return Needs(
        0, counts.nslots, counts.cores_per_slot, counts.gpus_per_slot, counts.exclusive, max(ncores, 1)
    )
