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

    Of these it is what another resource manager has given, as `environ` says.
    """
    allowed = os.sched_getaffinity(0) if cpus is None else cpus
    given = allocation(environ)
    host = given.hostname or socket.gethostname()
    return Machine(host, given.of_cores(cores(root, allowed)), given.of_gpus(gpus(root)))


def cores(root: Path, cpus: set[int]) -> IdSet:
    """Return the numbers of the physical cores (`bourn.shell.topology`) that have a thread in `cpus`."""
    known = machine_cores(str(root / "sys/devices/system"))
    return IdSet(number for number, core in enumerate(known) if core.cpus & cpus)


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
