"""Validator `schema`: the slots of a jobspec can hold its tasks.

That it is a jobspec (RFC 14) is what ingest itself looks at, before and after the frobnicators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import SubmitInfo, Validator
from bourn.model.counts import jobspec_counts
from bourn.model.overrides import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def schema(jobspec: dict[str, Any], info: SubmitInfo) -> str | None:
    """Refuse more tasks than the slots have cores, unless they are dealt out among nodes that are asked for
    (RFC 25, use case 2.1), or by resource.
    """
    task = jobspec["tasks"][0]
    total = task["count"].get("total", 1)
    if total == 1 or len(jobspec["tasks"]) > 1:
        return None
    counts = jobspec_counts(jobspec)
    room = counts.nslots * max(1, counts.cores_per_slot)
    if counts.complex or counts.exclusive or counts.nnodes or counts.ntasks <= room:
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
