"""The machine under us: cores and GPUs that this process may use, from /sys and /proc."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from attrs import frozen

from bourn.model.idset import IdSet

DISPLAY_CLASS = 0x0380
"""PCI class of a display controller that isn't a screen's: Intel's compute GPUs."""


@frozen
class Machine:
    """One host: its name, and the logical numbers of its cores and GPUs."""

    hostname: str
    cores: IdSet
    gpus: IdSet


def discover(root: Path = Path("/"), cpus: set[int] | None = None) -> Machine:
    """Look at the machine under `root`; `cpus`: the processors allowed (default: this process's affinity)."""
    allowed = os.sched_getaffinity(0) if cpus is None else cpus
    return Machine(socket.gethostname(), cores(root, allowed), gpus(root))


def cores(root: Path, cpus: set[int]) -> IdSet:
    """Number the physical cores by their first hardware thread; keep those with a thread in `cpus`.

    Hardware threads of one core are one core. Where /sys says nothing, each processor counts as a core.
    """
    base = root / "sys/devices/system/cpu"
    present = sorted(int(path.name[3:]) for path in base.glob("cpu[0-9]*"))
    numbers: dict[str, int] = {}
    usable: set[int] = set()
    for cpu in present or sorted(cpus):
        try:
            siblings = (base / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
        except OSError:
            siblings = str(cpu)
        number = numbers.setdefault(siblings, len(numbers))
        if cpu in cpus:
            usable.add(number)
    return IdSet(usable)


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
