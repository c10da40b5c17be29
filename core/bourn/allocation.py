"""What another resource manager has given this process of its machine, by the variables that it sets. No I/O.

Where the manager binds its tasks, by affinity or by cgroups, the kernel says the same, and more exactly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Mapping

_GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
"""The first that is set counts: inside a cgroup the numbers of the first two start from 0, as a task's do."""


@frozen
class Allocation:
    """A process's part of a machine; None for what isn't said."""

    hostname: str | None = None
    """The manager's name of the node."""
    cores: int | None = None
    """How many cores."""
    place: int = 0
    """Which of the manager's processes on this node this is, from 0, each of which has as many."""
    gpus: IdSet | None = None

    def of_cores(self, cores: IdSet) -> IdSet:
        """Return this process's part of the cores that it may use; all, where those are no more than that."""
        if self.cores is None or len(cores) <= self.cores:
            return cores
        begin = min(self.place * self.cores, len(cores) - self.cores)
        return IdSet(list(cores)[begin : begin + self.cores])

    def of_gpus(self, gpus: IdSet) -> IdSet:
        """Return this process's part of the GPUs that there are."""
        return gpus if self.gpus is None else gpus & self.gpus


def allocation(environ: Mapping[str, str]) -> Allocation:
    """Read the variables of Slurm, and those that name GPUs; variables that make no sense say nothing."""
    gpus = _gpus(environ)
    # Set in tasks and batch scripts, not in a shell that `salloc` starts on a login node.
    if "SLURM_JOB_ID" not in environ or "SLURMD_NODENAME" not in environ:
        return Allocation(gpus=gpus)
    host, cores = environ["SLURMD_NODENAME"], _number(environ, "SLURM_CPUS_ON_NODE")
    tasks = tasks_here(environ)
    if cores is None or tasks == 1:
        return Allocation(host, cores, 0, gpus)
    each = _number(environ, "SLURM_CPUS_PER_TASK") or max(1, cores // tasks)
    return Allocation(host, each, _number(environ, "SLURM_LOCALID") or 0, gpus)


def tasks_here(environ: Mapping[str, str]) -> int:
    """Return how many tasks of this Slurm step run on this node; a batch script is alone."""
    if "SLURM_STEP_ID" not in environ:
        return 1
    counts = repeated(environ.get("SLURM_STEP_TASKS_PER_NODE", ""))
    node = _number(environ, "SLURM_NODEID") or 0
    return counts[node] if node < len(counts) else 1


def repeated(text: str) -> list[int]:
    """Return the numbers of a list such as ``4(x2),2``; none where it isn't one."""
    found: list[int] = []
    for word in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", word)
        if match is None:
            return []
        found += [int(match[1])] * int(match[2] or 1)
    return found


def _gpus(environ: Mapping[str, str]) -> IdSet | None:
    for name in _GPUS:
        if name in environ:
            text = environ[name]
            if text in ("", "-1", "NoDevFiles"):
                return IdSet()
            try:
                return IdSet(text)
            except BournError:
                return None  # UUIDs, which tell nothing about numbers
    return None


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    return int(text) if text.isdecimal() and int(text) else None
