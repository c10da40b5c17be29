"""Validator `schema`: what the frobnicators made is a jobspec (RFC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import JobspecError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import SubmitInfo, Validator
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
