"""Frobnicator `constraints`: jobs of a queue get the constraint on node properties that the queue requires.

[queues.gpu]
requires = ["a100"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import Frobnicator, SubmitInfo
from bourn.model.constraint import constraint_and
from bourn.model.overrides import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def constraints(jobspec: dict[str, Any], info: SubmitInfo) -> dict[str, Any]:
    """Demand the properties of the job's queue besides what the user demands."""
    system = jobspec["attributes"]["system"]
    queue = info.config.raw.get("queues", {}).get(system.get("queue"), {})
    requires = queue.get("requires")
    if requires:
        demand = {"properties": list(requires)}
        if system.get("constraints") != demand:
            system["constraints"] = constraint_and(system.get("constraints"), demand)
    return jobspec


@hookimpl
def bourn_frobnicators() -> Iterable[Frobnicator]:
    """Register `constraints`."""
    yield Frobnicator(
        "constraints",
        constraints,
        default=True,
        pure=True,
        ignores=LABELS,
    )
