"""Accounting `none`: everybody may use everything, in equal shares; usage is counted until the instance
ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.accounting import AccountingSpec, Association

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bourn.hookspecs.job_plugins import JobView


class Unlimited:
    """Associations without limits, and node seconds by user and bank."""

    def __init__(self) -> None:
        self._usage: dict[tuple[int, str], float] = {}

    def association(self, userid: int, bank: str | None) -> Association:
        """Return an association for any user in any bank."""
        return Association(userid, bank or "default")

    def charge(self, job: JobView, nnodes: int, ncores: int, ngpus: int, seconds: float) -> None:
        """Add the node seconds."""
        key = (job.userid, job.attr("attributes.system.bank") or "default")
        self._usage[key] = self._usage.get(key, 0.0) + nnodes * seconds

    def usage(self, userid: int, bank: str) -> float:
        """Return the node seconds so far."""
        return self._usage.get((userid, bank), 0.0)


def _open(statedir: Path | None, options: Mapping[str, Any]) -> Unlimited:
    return Unlimited()


@hookimpl
def bourn_accountings() -> Iterable[AccountingSpec]:
    """Register `none`."""
    yield AccountingSpec("none", _open, "everybody may use everything")
