"""The machine under us: cores and GPUs that this process may use, from /sys and /proc."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from bourn.allocation import allocation
from bourn.model.idset import IdSet
from bourn.shell.topology import machine_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

DISPLAY_CLASS = 0x0380
"""PCI class of a display controller that isn't a screen's: Intel's compute GPUs."""


@frozen
class Machine:
    """One host: its name, and the logical numbers of its cores and GPUs."""

    hostname: str
    cores: IdSet
    gpus: IdSet


def discover(
    root: Path = Path("/"), cpus: set[int] | None = None, environ: Mapping[str, str] = os.environ
) -> Machine:
    """Look at the machine under `root`; `cpus`: the processors allowed (default: this process's affinity).

    Of these it is what another resource manager has given, as `environ` says, and no more cores than the
    time of this process's control group is worth.
    """
    allowed = os.sched_getaffinity(0) if cpus is None else cpus
    given = allocation(environ)
    host = given.hostname or socket.gethostname()
    found = given.of_cores(cores(root, allowed))
    return Machine(host, _worth(cpu_limit(root), found, host), given.of_gpus(gpus(root)))


def cores(root: Path, cpus: set[int]) -> IdSet:
    """Return the numbers of the physical cores (`bourn.shell.topology`) that have a thread in `cpus`."""
    known = machine_cores(str(root / "sys/devices/system"))
    return IdSet(number for number, core in enumerate(known) if core.cpus & cpus)


def cpu_limit(root: Path) -> int | None:
    """Return the time of how many CPUs this process may use by its control group and those that lies in, at
    least 1 (``cpu.max``, in version 1 ``cpu.cfs_quota_us``); None for no limit.

    That is how containers are limited, which see all CPUs of their machine.
    """
    shares = []
    for line in _lines(f"{root}/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            names = path.strip("/").split("/")
            # What is mounted in a container may be its own group only.
            groups = ["/".join(names[:count]) for count in range(len(names) + 1)]
            shares += [_share(f"{root}/sys/fs/cgroup/{controllers}/{group}", controllers) for group in groups]
    limits = [share for share in shares if share]
    return max(1, int(min(limits))) if limits else None


def _share(group: str, controllers: str) -> float:
    """Return a control group's limit in CPUs, 0 for none."""
    if controllers:
        words = [*_lines(f"{group}/cpu.cfs_quota_us"), *_lines(f"{group}/cpu.cfs_period_us")]
    else:
        words = " ".join(_lines(f"{group}/cpu.max")).split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return 0.0  # "max", or -1, or the root, which has no limit
    return int(words[0]) / max(1, int(words[1]))


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _worth(limit: int | None, cores: IdSet, host: str) -> IdSet:
    """Return as many of the cores as a limit allows.

    Tasks are bound to cores: of containers on one machine, whose names differ little, each takes others.
    """
    if limit is None or len(cores) <= limit:
        return cores
    begin = sum(host.encode()) % (len(cores) // limit) * limit
    return IdSet(list(cores)[begin : begin + limit])


def gpus(root: Path) -> IdSet:
    """Count GPUs of NVIDIA (the driver's /proc), else of AMD (KFD topology), else of Intel (DRM nodes)."""
    nvidia = root / "proc/driver/nvidia/gpus"
    if nvidia.is_dir():
        return IdSet(range(sum(1 for _ in nvidia.iterdir())))
    amd = sum(_number(path) != 0 for path in root.glob("sys/class/kfd/kfd/topology/nodes/*/gpu_id"))
    if amd:
        return IdSet(range(amd))
    intel = sum(
        _number(path) == 0x8086 and _number(path.parent / "class") >> 8 == DISPLAY_CLASS
        for path in root.glob("sys/class/drm/renderD*/device/vendor")
    )
    return IdSet(range(intel))


def _number(path: Path) -> int:
    try:
        return int(path.read_text().strip(), 0)
    except (OSError, ValueError):
        return 0
