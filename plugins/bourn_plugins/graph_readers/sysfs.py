"""This machine by what Linux says of it under /sys: sockets, NUMA nodes, cores, PUs and GPUs.

Vertices stand as hwloc has them: memory beside the cores that use it, GPUs in their socket. Cores and GPUs
have the numbers that R gives them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import Factory, define

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources
from bourn.machine import discover
from bourn.model.idset import IdSet
from bourn_plugins.graph_readers.rv1 import split_host

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bourn.hookspecs.resource_io import GraphBuilder
    from bourn.machine import Machine

_VENDORS = frozenset(("0x10de", "0x1002", "0x8086"))
"""NVIDIA, AMD, Intel: a server's console is of another make."""


@define(eq=False)
class Package:
    """A socket."""

    cores: dict[int, list[int]] = Factory(dict)
    """Core -> the CPUs (hardware threads) of it that may be used."""
    memory: list[int] = Factory(list)
    """The NUMA nodes, by the kernel's number."""
    gpus: list[int] = Factory(list)


def read_sysfs(cpus: Collection[int], allowlist: Collection[str] | None, root: Path = Path("/")) -> Resources:
    """Read the machine below `root`, of it only the CPUs `cpus`; an empty allowlist allows all types."""
    machine = discover(root, set(cpus))
    children = {"core": str(machine.cores)}
    if machine.gpus:
        children["gpu"] = str(machine.gpus)
    lite = [{"rank": "0", "children": children}]
    R = {"version": 1, "execution": {"R_lite": lite, "nodelist": [machine.hostname]}}
    packages = packages_of(machine, set(cpus), root)
    return Resources(R=R, build=lambda builder: _build(builder, packages, machine.hostname, allowlist))


def packages_of(machine: Machine, cpus: set[int], root: Path) -> list[Package]:
    """Return the sockets that have some of the CPUs, in order; where /sys says nothing it is one."""
    system = root / "sys/devices/system"
    present = sorted(int(path.name[3:]) for path in system.glob("cpu/cpu[0-9]*")) or sorted(cpus)
    numbers: dict[str, int] = {}
    found: dict[int, Package] = {}
    home: dict[int, Package] = {}
    for cpu in present:
        topology = system / f"cpu/cpu{cpu}/topology"
        threads = str(cpu)
        with contextlib.suppress(OSError):
            threads = (topology / "thread_siblings_list").read_text().strip()
        core = numbers.setdefault(threads, len(numbers))
        if cpu in cpus:
            package = found.setdefault(_number(topology / "physical_package_id", 0), Package())
            package.cores.setdefault(core, []).append(cpu)
            home[cpu] = package
    packages = [package for _, package in sorted(found.items())]
    where: dict[int, Package] = {}
    for memory, local in _memories(system / "node"):
        near = next((home[cpu] for cpu in local if cpu in home), None)
        if near is not None:
            near.memory.append(memory)
            where[memory] = near
    near_gpus = _places(root)
    for i, gpu in enumerate(machine.gpus):
        # Where the bus shows others than the drivers do, nobody knows which is where.
        memory = near_gpus[i] if len(near_gpus) == len(machine.gpus) else -1
        where.get(memory, packages[0]).gpus.append(gpu)
    return packages


def _number(file: Path, missing: int) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return missing


def _memories(folder: Path) -> Iterator[tuple[int, IdSet]]:
    for entry in sorted(folder.glob("node[0-9]*"), key=lambda entry: int(entry.name[4:])):
        with contextlib.suppress(OSError, BournError):
            yield int(entry.name[4:]), IdSet((entry / "cpulist").read_text().strip())


def _places(root: Path) -> list[int]:
    """Return the NUMA node of each display controller of a maker of GPUs, in the order of the bus; -1 where
    it is unknown.
    """
    found = []
    for device in sorted(root.glob("sys/bus/pci/devices/*")):
        with contextlib.suppress(OSError):
            kind, vendor = (device / "class").read_text(), (device / "vendor").read_text().strip()
            if kind.startswith("0x03") and vendor in _VENDORS:
                found.append(_number(device / "numa_node", -1))
    return found


def _build(
    builder: GraphBuilder, packages: list[Package], host: str, allowlist: Collection[str] | None
) -> None:
    counts: dict[str, int] = {}
    rank = 0

    def add(type: str, parent: int, id: int | None = None) -> int:
        if allowlist and type not in allowlist:
            return parent
        counts[type] = counts.get(type, -1) + 1
        return builder.vertex(type, parent, id=counts[type] if id is None else id, rank=rank)

    parent = builder.vertex("cluster", id=0)
    if not allowlist or "node" in allowlist:
        basename, number = split_host(host)
        parent = builder.vertex("node", parent, basename=basename, id=number, name=host, rank=rank)
    for package in packages:
        place = add("socket", parent)
        for core, cpus in package.cores.items():
            owner = add("core", place, core)
            for _ in cpus:
                add("pu", owner)
        for _ in package.memory:
            add("numanode", place)
        for gpu in package.gpus:
            add("gpu", place, gpu)
