"""Validator `feasibility`: refuses jobs that could never run here, with the scheduler's reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import SubmitInfo, Validator
from bourn.model.overrides import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def feasibility(jobspec: dict[str, Any], info: SubmitInfo) -> str | None:
    """Ask the scheduler, as `needs 3 nodes, the instance has 1`."""
    return info.feasibility(jobspec)


@hookimpl
def bourn_validators() -> Iterable[Validator]:
    """Register `feasibility`."""
    yield Validator(
        "feasibility",
        feasibility,
        default=True,
        # An acceptance that is out of date does no harm: the scheduler itself denies what can't run.
        pure=True,
        ignores=LABELS,
    )
