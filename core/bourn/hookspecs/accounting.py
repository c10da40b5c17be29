"""Accounting: who may use how much, and who has used how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import Factory, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from bourn.hookspecs.job_plugins import JobView

__all__ = ["Accounting", "AccountingSpec", "Association", "bourn_accountings"]


@frozen
class Association:
    """A user in a bank: what shares, limits and usage belong to."""

    userid: int
    bank: str
    fairshare: float = 0.5
    """0..1; 0.5 at first."""
    max_active_jobs: int | None = None
    """More are refused; None = no limit."""
    max_running_jobs: int | None = None
    """More wait; None = no limit."""
    queues: tuple[str, ...] = ()
    """Queues that it may use; empty = all."""
    extra: Mapping[str, Any] = Factory(dict)


@runtime_checkable
class Accounting(Protocol):
    """Knows associations and takes note of usage. Calls are quick; what must wait is written behind."""

    def association(self, userid: int, bank: str | None) -> Association | str:
        """Return the association, of the user's default bank if `bank` is None, or why there is none."""
        ...

    def charge(self, job: JobView, nnodes: int, ncores: int, ngpus: int, seconds: float) -> None:
        """Take note of what a job that is over has used."""
        ...

    def usage(self, userid: int, bank: str) -> float:
        """Return the usage so far, decayed as the site wants, in weighted node seconds."""
        ...


@frozen
class AccountingSpec:
    """A kind of accounting."""

    name: str
    """Unique; by it a site chooses."""
    open: Callable[[Path | None, Mapping[str, Any]], Accounting]
    """``open(statedir or None, options)``."""
    summary: str = ""


@hookspec
def bourn_accountings() -> Iterable[AccountingSpec]:
    """Register ways to keep accounts.

    Called: not in this version, which has neither banks nor shares; then once, when the job manager starts.
    Process: broker, rank 0.
    Order: one is picked by name; order doesn't matter.
    Errors: an exception leaves this plugin's accountings out; if the chosen one is missing the instance
    doesn't start. A call that raises refuses the job that it was asked about, with the reason.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.accounting import AccountingSpec, Association


        class Ledger:
            '''Everybody may do everything; core seconds are counted until the instance ends.'''

            def __init__(self):
                self.used = {}

            def association(self, userid, bank):
                return Association(userid, bank or "all")

            def charge(self, job, nnodes, ncores, ngpus, seconds):
                self.used[job.userid] = self.used.get(job.userid, 0.0) + ncores * seconds

            def usage(self, userid, bank):
                return self.used.get(userid, 0.0)


        @hookimpl
        def bourn_accountings():
            yield AccountingSpec("ledger", lambda statedir, options: Ledger())
    """
    raise NotImplementedError
