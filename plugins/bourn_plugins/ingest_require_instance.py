"""Validator `require-instance`: jobs of some size must be instances of their own, as `bourn batch` makes.

[ingest]
validators = ["schema", "feasibility", "require-instance"]

[ingest.require-instance]
minnodes = 4
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.config.tables import IngestTable
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import SubmitInfo, Validator
from bourn.model.counts import jobspec_counts
from bourn.model.overrides import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable

CORES_PER_NODE = 16
"""A job that names only cores counts as large from so many times `minnodes`, if `mincores` isn't set."""


def require_instance(jobspec: dict[str, Any], info: SubmitInfo) -> str | None:
    """Refuse a job from `minnodes` nodes or `mincores` cores on that doesn't start an instance."""
    if is_instance(jobspec):
        return None
    table = info.config.table("ingest", IngestTable).require_instance
    minnodes = table.minnodes
    mincores = table.mincores or minnodes * CORES_PER_NODE
    counts = jobspec_counts(jobspec)
    if not minnodes and not mincores:
        size = ""
    elif minnodes and (counts.nnodes or 0) >= minnodes:
        size = f" of {minnodes} nodes or more"
    elif counts.ncores >= mincores:
        size = f" of {mincores} cores or more"
    else:
        return None
    return f"jobs{size} must be instances of their own here: use bourn batch or bourn alloc"


def is_instance(jobspec: dict[str, Any]) -> bool:
    """Say whether the job starts an instance."""
    system = jobspec["attributes"]["system"]
    if "batch" in system or "script" in system.get("files", {}):
        return True
    command = jobspec["tasks"][0]["command"]
    argv = command.split() if isinstance(command, str) else command
    program = argv[0].rpartition("/")[2]
    return program in ("bourn", "flux") and argv[1:2] in (["start"], ["broker"])


@hookimpl
def bourn_validators() -> Iterable[Validator]:
    """Register `require-instance`."""
    yield Validator(
        "require-instance",
        require_instance,
        pure=True,
        ignores=LABELS,
    )
