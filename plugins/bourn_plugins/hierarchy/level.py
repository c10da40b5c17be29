"""What the parts of a level's upper end share: its jobs, its children, and how to speak of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

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


@define(eq=False)
class Level:
    """The state of a level."""

    engine: Engine
    """Of the job manager."""
    distributor: Distributor
    """Whose children are this level's."""
    table: HierarchyTable
    """`[hierarchy]`."""
    owner: int
    """Whose jobs are handed down; a child can't run those of others."""
    changed: Callable[[], None]
    """Called when there is something to hand down or to decide."""
    expiration: Callable[[], float]
    """When this instance's resources end (epoch seconds), 0 for never."""
    durable: bool = field(kw_only=True)
    """Whether this instance's store outlives it."""
    links: dict[Child, Link] = field(init=False, factory=dict)
    own: set[int] = field(init=False, factory=set)
    """Jobs that fit no child and wait for this instance's own resources."""
    places: dict[int, Child] = field(init=False, factory=dict)
    """Children by their jobs."""
    withdrawn: bool = field(init=False, default=False)
    """Whether the scheduler gets all requests from now on."""
    seen: dict[int, int] = field(init=False, factory=dict)
    claims: dict[int, Child] = field(init=False, factory=dict)
    """Jobs that a child came back with before the scheduler was asked for them."""
    notes: dict[int, dict[str, Any]] = field(init=False, factory=dict)
    denied: list[tuple[int, str]] = field(init=False, factory=list)
    before: set[int] = field(init=False, factory=set)
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
