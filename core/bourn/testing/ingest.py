"""Conformance checks for frobnicators and validators."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from bourn.errors import JobspecError
from bourn.model.jobspec_check import check_jobspec
from bourn.testing.ensure import ensure, ensure_name, ensure_reason
from bourn.testing.samples import jobspecs, submit_info

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.ingest import Frobnicator, SubmitInfo, Validator

__all__ = ["check_frobnicator", "check_validator"]

Jobspec = dict[str, Any]


def check_validator(
    validator: Validator,
    *,
    accepts: Iterable[Jobspec] = (),
    refuses: Iterable[Jobspec] = (),
    info: SubmitInfo | None = None,
) -> None:
    """Check a validator on all kinds of jobspecs, and that it accepts and refuses those given.

    It must answer None or a reason of one line, twice the same, whatever the jobspec leaves out, and leave
    the jobspec as it was: other jobs share it.
    """
    what = ensure_name(validator, "validator")
    info = info or submit_info()
    for title, jobspec in jobspecs().items():
        _verdict(validator, f"{what} on a jobspec with {title}", jobspec, info)
    for jobspec in accepts:
        reason = _verdict(validator, what, jobspec, info)
        ensure(reason is None, f"{what} must accept {jobspec}; it says: {reason}")
    for jobspec in refuses:
        reason = _verdict(validator, what, jobspec, info)
        ensure(reason is not None, f"{what} must refuse {jobspec}")


def check_frobnicator(frobnicator: Frobnicator, *, info: SubmitInfo | None = None) -> None:
    """Check a frobnicator on all kinds of jobspecs.

    It must return a valid jobspec, or raise `JobspecError`; applied to its own result it must change nothing
    more, for a jobspec may be submitted again as it was printed.
    """
    what = ensure_name(frobnicator, "frobnicator")
    info = info or submit_info()
    for title, jobspec in jobspecs().items():
        where = f"{what} on a jobspec with {title}"
        try:
            once = frobnicator.apply(deepcopy(jobspec), info)
        except JobspecError:
            continue
        ensure(isinstance(once, dict), f"{where}: must return the jobspec, not {once!r}")
        try:
            check_jobspec(once)
        except JobspecError as error:
            raise AssertionError(f"{where}: the result is not a jobspec: {error.message}") from None
        twice = frobnicator.apply(deepcopy(once), info)
        ensure(once == twice, f"{where}: applied to its own result it changes that again, to {twice}")


def _verdict(validator: Validator, where: str, jobspec: Jobspec, info: SubmitInfo) -> str | None:
    before = deepcopy(jobspec)
    try:
        verdict = validator.check(jobspec, info)
    except Exception as error:
        raise AssertionError(f"{where}: raised {type(error).__name__}: {error}") from error
    if verdict is not None:
        ensure_reason(verdict, where)
    ensure(jobspec == before, f"{where}: must not change the jobspec")
    again = validator.check(jobspec, info)
    ensure(verdict == again, f"{where}: asked twice, it says {verdict!r} and then {again!r}")
    return verdict
