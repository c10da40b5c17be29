"""The cores of this machine, in the order in which resource sets number them, and how tasks share them."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from bourn.errors import BournError
from bourn.model.idset import IdSet, parse_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Core(NamedTuple):
    """A physical core."""

    cpus: frozenset[int]
    """Its hardware threads, as the kernel numbers them."""
    numa: int
    """What it has in common with the cores that share its memory, and no others."""


def machine_cores(root: str = "/sys/devices/system") -> list[Core]:
    """Return the cores; core n of a resource set is the nth.

    They are ordered as hwloc orders them: by package, memory node and shared cache, and there by the lowest
    hardware thread. Where /sys says nothing, each CPU that this process may use is a core.
    """
    cpus = f"{root}/cpu"
    online = list(IdSet.from_mask(_read(f"{cpus}/online"))) or sorted(
        int(name[3:]) for name in _names(cpus) if name.startswith("cpu") and name[3:].isdigit()
    )
    if not online:
        return [Core(frozenset({cpu}), 0) for cpu in sorted(os.sched_getaffinity(0))]
    nodes = [_read(f"{root}/node/{name}/cpulist") for name in _names(f"{root}/node") if name[4:].isdigit()]
    threads = _groups(online, lambda cpu: _read(f"{cpus}/cpu{cpu}/topology/thread_siblings_list"))
    package = _groups(online, lambda cpu: _read(f"{cpus}/cpu{cpu}/topology/core_siblings_list") or -1)
    numa = _groups(online, lambda cpu: next((mask for mask in nodes if mask >> cpu & 1), -1))
    cache = _groups(online, lambda cpu: _read(f"{cpus}/cpu{cpu}/cache/index3/shared_cpu_list") or -1)
    firsts = sorted(set(threads.values()), key=lambda cpu: (package[cpu], numa[cpu], cache[cpu], cpu))
    return [Core(frozenset(cpu for cpu in online if threads[cpu] == first), numa[first]) for first in firsts]


def deal(cores: Sequence[Core], ntasks: int) -> list[list[Core]]:
    """Return the cores of each task: as even as can be, and if there are at least as many tasks as memory
    nodes, none that straddles two. More tasks than cores share them.
    """
    groups: dict[int, list[Core]] = {}
    for core in cores:
        groups.setdefault(core.numa, []).append(core)
    if len(groups) < 2 or ntasks < len(groups):
        return _split([core for group in groups.values() for core in group], ntasks)
    counts = dict.fromkeys(groups, 1)
    for _ in range(ntasks - len(groups)):
        # The next task goes where it finds the most room.
        counts[max(groups, key=lambda numa: len(groups[numa]) / (counts[numa] + 1))] += 1
    return [share for numa, group in groups.items() for share in _split(group, counts[numa])]


def _split(cores: list[Core], ntasks: int) -> list[list[Core]]:
    count = len(cores)
    begins = [count * task // ntasks for task in range(ntasks + 1)]
    return [cores[begin : max(begin + 1, end)] for begin, end in pairwise(begins)]


def _groups(online: list[int], mates: Callable[[int], int]) -> dict[int, int]:
    """Return the lowest member of the group that each CPU is in; `mates` tells a group's mask (-1: all)."""
    first: dict[int, int] = {}
    for cpu in online:
        if cpu not in first:
            mask = mates(cpu) | 1 << cpu
            for mate in online:
                if mask >> mate & 1:
                    first.setdefault(mate, cpu)
    return first


def _read(path: str) -> int:
    """Return the CPUs that a file lists, as a mask; 0 when it isn't there."""
    try:
        with open(path, encoding="ascii") as file:
            return parse_mask(file.read().strip())
    except (OSError, BournError):
        return 0


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
