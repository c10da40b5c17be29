"""What the parts of a level's upper end share: its jobs, its children, and how to speak of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.hookspecs.exec_method import ExecEvent
    from bourn.hookspecs.sched import AllocRequest
    from bourn_plugins.hierarchy.child import Child, Entry
    from bourn_plugins.hierarchy.distributor import Distributor
    from bourn_plugins.hierarchy.link import Link
    from bourn_plugins.hierarchy.table import HierarchyTable
    from bourn_plugins.job_manager.engine import Engine

SEEN = "hierarchy.seen."
"""Under this and a child's job id the store has the number of its last report that is durable."""


class Level:
    """The state of a level.

    Args:
        engine: of the job manager.
        distributor: whose children are this level's.
        table: `[hierarchy]`.
        owner: whose jobs are handed down; a child can't run those of others.
        changed: called when there is something to hand down or to decide.
        expiration: when this instance's resources end (epoch seconds), 0 for never.
        durable: whether this instance's store outlives it.
    """

    def __init__(
        self,
        engine: Engine,
        distributor: Distributor,
        table: HierarchyTable,
        owner: int,
        changed: Callable[[], None],
        expiration: Callable[[], float],
        *,
        durable: bool,
    ) -> None:
        self.engine = engine
        self.distributor = distributor
        self.table = table
        self.links: dict[Child, Link] = {}
        self.own: set[int] = set()
        """Jobs that fit no child and wait for this instance's own resources."""
        self.expiration = expiration
        self.places: dict[int, Child] = {}
        """Children by their jobs."""
        self.withdrawn = False
        """Whether the scheduler gets all requests from now on."""
        self.owner = owner
        self.changed = changed
        self.durable = durable
        self.seen: dict[int, int] = {}
        self.claims: dict[int, Child] = {}
        """Jobs that a child came back with before the scheduler was asked for them."""
        self.notes: dict[int, dict[str, Any]] = {}
        self.denied: list[tuple[int, str]] = []
        self.before: set[int] = set()
        """Active jobs that have been handed down, perhaps more than once."""

    def deny(self, child: Child, denied: Sequence[Any]) -> None:
        """Try elsewhere what a child can't run."""
        for id, note in denied:
            entry = self.distributor.entries.get(id)
            if entry is None or entry.child is not child:
                continue
            entry.denied |= {child.index}
            if entry.recalled:
                self.drop(entry)
                self.engine.sched.alloc_cancelled([id])
            elif self.distributor.fits(entry.needs, entry.denied):
                self.distributor.put_back(entry, self.engine.now())
            else:
                self.drop(entry)
                self._misplaced(entry, note)

    def _misplaced(self, entry: Entry, note: str) -> None:
        """See to a job that all children have refused."""
        id = entry.request.id
        scheduler = self.engine.sched.scheduler
        if self.table.misfits == "run" and scheduler is not None:
            self.own.add(id)
            scheduler.alloc([entry.request])
        else:
            self.denied.append((id, f"no child can run it: {note}"))
            self.changed()

    def misfit(self, request: AllocRequest, why: str, left: list[AllocRequest]) -> None:
        """See to a request that fits no child: it is the scheduler's, or is refused."""
        if self.table.misfits == "run":
            self.own.add(request.id)
            left.append(request)
        else:
            self.denied.append((request.id, why))

    def drop(self, entry: Entry) -> None:
        """Forget a job."""
        self.distributor.remove(entry, self.engine.now())

    def facts(self, id: int) -> int:
        """Return what the job manager knows to have happened to a job."""
        job = self.engine.jobs.get(id)
        return 0 if job is None else job.facts

    def why(self, id: int) -> tuple[str, str]:
        """Return the type and the note of the exception that ends a job."""
        job = self.engine.jobs.get(id)
        kind, _, note = (job.exception if job is not None else None) or ("cancel", 0, "")
        return kind, note

    def tell(self, child: Child, what: str, item: list[Any]) -> None:
        """Say something to a child, if it is there."""
        link = self.links.get(child)
        if link is not None:
            link.tell(what, item)
            self.changed()

    def report_events(self, events: Sequence[ExecEvent]) -> None:
        """Report to the job manager what happened to jobs."""
        self.engine.exec.exec_report(events, ())
