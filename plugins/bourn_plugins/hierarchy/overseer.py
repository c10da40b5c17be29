"""One level of the hierarchy at its upper end: what the job manager asks, what children report.

Stands before the scheduler and the executor (`front`). It has no task: messages to children are put into
their links, and time comes with each call. `module` gives it its turns.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from attrs import define, field

from bourn.hookspecs.exec_method import ExecEvent
from bourn.hookspecs.sched import AllocRequest
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID
from bourn.model.states import State
from bourn_plugins.hierarchy.child import Child, ChildState, Entry, largest
from bourn_plugins.hierarchy.fit import Capacity
from bourn_plugins.hierarchy.jobspec import MARK, place_of
from bourn_plugins.hierarchy.level import SEEN, Level
from bourn_plugins.hierarchy.losses import Losses
from bourn_plugins.hierarchy.reports import Reports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn_plugins.hierarchy.link import Link
    from bourn_plugins.job_manager.job import Job

log = logging.getLogger("bourn.hierarchy")


@define(eq=False)
class Overseer(Level):
    """The jobs that were handed down, and the children that have them."""

    _closed: dict[int, str] = field(init=False, factory=dict)
    _reports: Reports = field(init=False)
    _losses: Losses = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._reports = Reports(self)
        self._losses = Losses(self)

    def report(self, child: Child, report: Mapping[str, Any]) -> None:
        """Take what a child reports: see `mirror.Report` for its keys."""
        self._reports.take(child, report)

    # From the job manager, by way of the front

    def take(self, requests: Sequence[AllocRequest]) -> list[AllocRequest]:
        """Take requests; return those that are the scheduler's."""
        left = []
        distributor = self.distributor
        for request in requests:
            entry = distributor.entries.get(request.id)
            if entry is not None:
                entry.recalled = False
                continue
            if self.withdrawn or MARK in request.jobspec.system:
                left.append(request)
                continue
            if request.userid != self.owner:
                self.misfit(request, "children run only jobs of the instance's owner", left)
                continue
            needs = distributor.needs(request.jobspec, request.overrides)
            if request.id in self.claims:
                distributor.adopt(Entry(request, needs), self.claims.pop(request.id), running=False)
            elif distributor.fits(needs):
                distributor.add(request, needs)
            else:
                size = largest(self.distributor.children)
                self.misfit(request, f"it fits no child of the hierarchy; the largest has {size}", left)
        self.changed()
        return left

    def recall(self, ids: Sequence[int]) -> list[int]:
        """Take requests back; return those that are the scheduler's."""
        left, gone = [], []
        now = self.engine.now()
        for id in ids:
            entry = self.distributor.entries.get(id)
            if entry is None:
                self.own.discard(id)
                left.append(id)
            elif entry.child is None:
                self.distributor.remove(entry, now)
                gone.append(id)
            else:
                entry.recalled = True
                self.tell(entry.child, "cancel", [id, "cancel", "recalled"])
        if gone:
            self.engine.sched.alloc_cancelled(gone)
        self.changed()
        return left

    def prioritize(self, jobs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Take changed priorities; return those that are for the scheduler."""
        left = []
        for id, priority in jobs:
            entry = self.distributor.entries.get(id)
            if entry is None:
                left.append((id, priority))
                continue
            self.distributor.prioritize(id, priority)
            job = self.engine.jobs.get(id)
            if entry.child is not None and job is not None:
                self.tell(entry.child, "urgency", [id, job.urgency])
        return left

    def freed(self, id: int) -> bool:
        """Note that a job is over; return whether its resources were a child's, not the scheduler's."""
        entry = self.distributor.entries.get(id)
        if entry is not None:
            if entry.child is not None:
                # It ended here before its child could say so.
                self.tell(entry.child, "cancel", [id, *self.why(id)])
            self.drop(entry)
            return True
        job = self.engine.jobs.get(id)
        return job is not None and job.handed_down

    def gone(self, job: Job) -> None:
        """Note that a job is inactive; if it is a child, that is its end."""
        self.before.discard(job.id)
        child = self.places.pop(job.id, None)
        if child is not None:
            self._losses.ended(child, job)

    def release(self, id: int) -> bool:
        """Let a job go on that this instance's prologs held; say whether it is one of ours."""
        entry = self.distributor.entries.get(id)
        if entry is None:
            self.own.discard(id)
            return False
        if entry.held is not None:
            held, entry.held = entry.held, None
            self.report_events([ExecEvent(id, name, context, t) for name, context, t in held])
        return True

    def has(self, id: int) -> bool:
        """Say whether a job was taken and isn't over."""
        return id in self.distributor.entries

    def kill(self, id: int, signum: int) -> None:
        """Pass a signal on."""
        entry = self.distributor.entries[id]
        if entry.child is not None:
            self.tell(entry.child, "kill", [id, signum])

    def end(self, id: int) -> None:
        """End a job that has had an exception."""
        entry = self.distributor.entries[id]
        if entry.child is None:
            # A child died while it ran there, and no other has it yet.
            self._losses.over(entry, None)
        elif not entry.cancelled:
            entry.cancelled = True
            self.tell(entry.child, "cancel", [id, *self.why(id)])

    def move_expiration(self, id: int, t: float) -> None:
        """Pass a changed time limit on."""
        entry = self.distributor.entries[id]
        if entry.child is not None:
            self.tell(entry.child, "expiration", [id, t])

    # Turns

    def turn(self) -> None:
        """Hand down what can be, and tell the job manager what can't."""
        if self.denied:
            denied, self.denied = self.denied, []
            self.engine.sched.alloc_deny(denied)
        distributor = self.distributor
        distributor.blocked = bool(self.own)
        for child, entries in distributor.assign(self.engine.now()).items():
            link = self.links[child]
            for entry in entries:
                job = self.engine.jobs.get(entry.request.id)
                try:
                    link.hand_down(
                        entry.request,
                        job.urgency if job is not None else 16,
                        again=entry.request.id in self.before,
                    )
                    self.before.add(entry.request.id)
                except Exception as error:
                    # One that can't be told must not keep the others back.
                    log.exception("job %s can't be handed down", JobID(entry.request.id))
                    self.deny(child, [(entry.request.id, f"{type(error).__name__}: {error}")])
        for link in self.links.values():
            link.flush()

    def let_wait(self) -> None:
        """Have children back although jobs wait for this instance's own resources: all that children had is
        theirs already, and it isn't enough.
        """
        ids = ", ".join(str(JobID(id)) for id in sorted(self.own))
        log.info("%s: not even all that children had is enough now; they come back", ids)
        self.own.clear()

    def forget_own(self) -> None:
        """Leave out jobs that don't wait for this instance's own resources any more."""
        jobs = self.engine.jobs
        self.own = {id for id in self.own if id in jobs and jobs[id].state is State.SCHED}

    # Children

    def resume(self, jobs: Sequence[Job]) -> None:
        """After a restart: find the children, and what they have, among the active jobs."""
        by_text: dict[str, Child] = {}
        for job in jobs:
            index = place_of(job.spec.system)
            if index is None or index >= len(self.distributor.children) or job.state is State.INACTIVE:
                continue
            place = self.distributor.children[index]
            self.raised(place, job.id)
            if job.state is State.RUN:
                place.enter(ChildState.AWAY, self.engine.now())
            by_text[str(JobID(job.id))] = place
            self.seen[job.id] = int(self.engine.store.meta(SEEN + str(job.id)) or 0)
        self.distributor.hold = any(c.state is ChildState.AWAY for c in self.distributor.children)
        for job in jobs:
            if job.handed_down and job.notes is not None and job.state in (State.RUN, State.CLEANUP):
                request = AllocRequest(
                    job.id, job.priority, job.userid, job.t_submit, job.spec, job.overrides, job.queue
                )
                entry = Entry(request, self.distributor.needs(job.spec, job.overrides))
                child = by_text.get(str(job.notes["exec"]["child"]))
                if child is not None:
                    self.distributor.adopt(entry, child, running=True)
                else:
                    self.distributor.entries[job.id] = entry
                    self._losses.lost([entry], "the child that ran it is gone")

    def raised(self, child: Child, jobid: int) -> None:
        """Note that the job of a child was submitted."""
        child.jobid = jobid
        child.enter(ChildState.RAISING, self.engine.now())
        self.places[jobid] = child
        self.engine.standing.add(jobid)

    def joined(self, child: Child, link: Link, R: Mapping[str, Any], have: Sequence[int]) -> int:
        """Take a child's connection; return the number of its last report that is durable."""
        job = self.engine.jobs[child.jobid]
        assert job.R is not None
        from bourn.model.rset import ResourceSet

        child.ranks = link.ranks = tuple(ResourceSet.from_dict(job.R).ranks)
        own = ResourceSet.from_dict(R)
        nodes = tuple((len(own.cores(rank)), len(own.gpus(rank))) for rank in own.ranks)
        child.become(Capacity(nodes, child.capacity.whole))
        self.links[child] = link
        now = self.engine.now()
        if child.state is not ChildState.LEAVING:
            child.enter(ChildState.UP, now)
        child.failures, child.idle_since, child.note = 0, now, ""
        self.notes[child.index] = {"exec": {"child": str(JobID(child.jobid))}}
        self._losses.reconcile(child, set(have))
        link.close([])
        self._close(child)
        self._losses.look_whether_all_are_back()
        self.changed()
        return self.seen.get(child.jobid, 0)

    def close(self, ranks: Mapping[int, str]) -> None:
        """Hand nothing down to where no new jobs may begin: the reasons by rank of this instance."""
        self._closed = dict(ranks)
        for child in self.links:
            self._close(child)
        self.changed()

    def _close(self, child: Child) -> None:
        """Tell a child on which of its ranks no jobs may begin, and take back what can't begin there now."""
        reasons: dict[str, list[int]] = {}
        for own, rank in enumerate(child.ranks):
            if rank in self._closed:
                reasons.setdefault(self._closed[rank], []).append(own)
        if not child.close(sorted(rank for ranks in reasons.values() for rank in ranks)):
            return
        link = self.links[child]
        link.close([(str(IdSet(ranks)), reason) for reason, ranks in reasons.items()])
        for id, entry in child.jobs.items():
            if not entry.running and not entry.needs.fit(child.usable):
                entry.returning = True
                link.tell("recall", id)

    def left(self, child: Child, link: Link) -> None:
        """Note that a connection is lost; if the child's job ends as well, `freed` says so."""
        if self.links.get(child) is link:
            del self.links[child]
            if child.state is ChildState.UP:
                child.enter(ChildState.AWAY, self.engine.now())
            self.changed()

    def stop(self, child: Child) -> None:
        """Ask a child that has nothing to do to end."""
        child.enter(ChildState.LEAVING, self.engine.now())
        self.links[child].stop()

    def withdraw(self) -> None:
        """Give the scheduler back what waits for a child; no more is handed down."""
        distributor = self.distributor
        distributor.hold = self.withdrawn = True
        waiting = [entry for entry in distributor.entries.values() if entry.queued]
        for entry in waiting:
            self.drop(entry)
        if waiting and self.engine.sched.scheduler is not None:
            self.engine.sched.scheduler.alloc([entry.request for entry in waiting])
