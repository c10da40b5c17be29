"""Boot method `slurm`: the tasks of a Slurm step that have no PMI (`srun --mpi=none`).

Slurm tells each its rank and their number. Their cards go through a private directory that all nodes see.
What a Slurm job runs outside of any step is an instance of one broker.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bourn.config.tables import BootstrapTable
from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.boot import BootMethod
from bourn_plugins.boot_slurm.directory import Shared

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.config import Config

_OF_A_LAUNCH = (
    "SLURM_CLUSTER_NAME",
    "SLURM_JOB_ID",
    "SLURM_STEP_ID",
    "SLURM_RESTART_COUNT",
    "SLURM_STEP_LAUNCHER_PORT",
)
"""What tells one launch of brokers from any other: a job may be requeued, and keeps its number."""


def _detect(environ: Mapping[str, str], config: Config) -> bool:
    if "SLURM_STEP_ID" not in environ:
        return "SLURM_JOB_ID" in environ
    return environ.get("SLURM_STEP_NUM_TASKS", "1") != "1" and "SLURM_PROCID" in environ


def _open(environ: Mapping[str, str], config: Config) -> Shared:
    if "SLURM_STEP_ID" not in environ:
        remark = _beside(environ)
        if remark:
            print(f"bourn-start: warning: {remark}", file=sys.stderr)
        return Shared(0, 1, Path(), 0)
    numbers = {}
    for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        text = environ.get(name, "")
        if not text.isdecimal():
            raise BournError(f"{name}={text}: must be a number, set by Slurm in the tasks of `srun`")
        numbers[name] = int(text)
    table = config.table("bootstrap", BootstrapTable)
    home = Path(table.directory or "~/.cache/bourn/boot").expanduser()
    if not home.is_absolute():
        raise BournError(f"[bootstrap] directory = '{table.directory}': must be an absolute path")
    name = ".".join(["slurm", *(environ.get(variable, "0") for variable in _OF_A_LAUNCH)])
    return Shared(numbers["SLURM_PROCID"], numbers["SLURM_STEP_NUM_TASKS"], home / name, table.timeout)


def _beside(environ: Mapping[str, str]) -> str:
    """Say what of a Slurm job an instance doesn't use that isn't started by `srun`."""
    job, nodes = environ["SLURM_JOB_ID"], environ.get("SLURM_JOB_NUM_NODES", "1")
    if "SLURMD_NODENAME" not in environ:
        return f"this host isn't one of Slurm job {job}'s nodes; `srun bourn start` runs there"
    if nodes != "1":
        return f"this instance has one of the {nodes} nodes of Slurm job {job}; `srun bourn start` has all"
    return ""


@hookimpl
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register `slurm`, which leaves tasks that have PMI to that."""
    yield BootMethod("slurm", _detect, _open, priority=5, needs=("SLURM_JOB_ID",))
