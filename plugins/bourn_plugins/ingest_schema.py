"""Validator `schema`: what the frobnicators made is a jobspec (RFC 14), whose tasks its slots can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import JobspecError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import SubmitInfo, Validator
from bourn.model.counts import jobspec_counts
from bourn.model.jobspec_check import check_jobspec
from bourn.model.overrides import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def schema(jobspec: dict[str, Any], info: SubmitInfo) -> str | None:
    """Refuse what is no jobspec, with the path of the bad field."""
    try:
        check_jobspec(jobspec)
    except JobspecError as err:
        return err.message
    return _crowded(jobspec)


def _crowded(jobspec: dict[str, Any]) -> str | None:
    """Refuse more tasks than the slots have cores; whole nodes and per-resource tasks are the way to that."""
    task = jobspec["tasks"][0]
    total = task["count"].get("total", 1)
    if total == 1 or len(jobspec["tasks"]) > 1:
        return None
    counts = jobspec_counts(jobspec)
    room = counts.nslots * max(1, counts.cores_per_slot)
    if counts.complex or counts.exclusive or counts.nodes_per_slot or counts.ntasks <= room:
        return None
    return (
        f"tasks[0].count.total: {total} tasks are too many for {counts.nslots} slot(s) of "
        f"{max(1, counts.cores_per_slot)} core(s) each"
    )


@hookimpl(tryfirst=True)
def bourn_validators() -> Iterable[Validator]:
    """Register `schema`."""
    yield Validator(
        "schema",
        schema,
        default=True,
        pure=True,
        ignores=LABELS,
    )
