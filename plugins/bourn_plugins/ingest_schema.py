"""Validator `schema`: the jobspec that the frobnicators made is one, and version 1 keeps to RFC 14's tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import SubmitInfo, Validator
from bourn.model.jobspec_check import check_jobspec
from bourn.model.overrides import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def schema(jobspec: dict[str, Any], info: SubmitInfo) -> str | None:
    """Raise JobspecError, with the path of the bad field."""
    check_jobspec(jobspec)
    return None


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
