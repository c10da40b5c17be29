"""One level of the hierarchy at its upper end: what the job manager asks, what children report.

Stands before the scheduler and the executor (`front`). It has no task: messages to children are put into
their links, and time comes with each call. `module` gives it its turns.
"""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

from bourn.hookspecs.exec_method import ExecEvent
from bourn.hookspecs.sched import AllocRequest
from bourn.model.jobid import JobID
from bourn.model.states import State
from bourn_plugins.hierarchy.child import Child, ChildState, Entry, largest
from bourn_plugins.hierarchy.fit import Capacity
from bourn_plugins.hierarchy.jobspec import MARK, place_of
from bourn_plugins.hierarchy.rank_map import lift, ranks_of
from bourn_plugins.job_manager.job import ALLOCATED, FINISHED, STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn_plugins.hierarchy.distributor import Distributor
    from bourn_plugins.hierarchy.link import Link
    from bourn_plugins.hierarchy.table import HierarchyTable
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.job import Job

log = logging.getLogger("bourn.hierarchy")

KILLED = int(signal.SIGKILL)
SEEN = "hierarchy.seen."
"""Under this and a child's job id the store has the number of its last report that is durable."""


class Overseer:
    """The jobs that were handed down, and the children that have them.

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
        self._owner = owner
        self._changed = changed
        self._durable = durable
        self._seen: dict[int, int] = {}
        self._claims: dict[int, Child] = {}
        """Jobs that a child came back with before the scheduler was asked for them."""
        self._notes: dict[int, dict[str, Any]] = {}
        self._denied: list[tuple[int, str]] = []
        self._before: set[int] = set()
        """Active jobs that have been handed down, perhaps more than once."""

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
            if request.userid != self._owner:
                self._misfit(request, "children run only jobs of the instance's owner", left)
                continue
            needs = distributor.needs(request.jobspec, request.overrides)
            if request.id in self._claims:
                distributor.adopt(Entry(request, needs), self._claims.pop(request.id), running=False)
            elif distributor.fits(needs):
                distributor.add(request, needs)
            else:
                size = largest(self.distributor.children)
                self._misfit(request, f"it fits no child of the hierarchy; the largest has {size}", left)
        self._changed()
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
                self._tell(entry.child, "cancel", [id, "cancel", "recalled"])
        if gone:
            self.engine.sched.alloc_cancelled(gone)
        self._changed()
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
                self._tell(entry.child, "urgency", [id, job.urgency])
        return left

    def freed(self, id: int) -> bool:
        """Note that a job is over; return whether its resources were a child's, not the scheduler's."""
        entry = self.distributor.entries.get(id)
        if entry is not None:
            if entry.child is not None:
                # It ended here before its child could say so.
                self._tell(entry.child, "cancel", [id, *self._why(id)])
            self._drop(entry)
            return True
        job = self.engine.jobs.get(id)
        return job is not None and job.handed_down

    def gone(self, job: Job) -> None:
        """Note that a job is inactive; if it is a child, that is its end."""
        self._before.discard(job.id)
        child = self.places.pop(job.id, None)
        if child is not None:
            self._ended(child, wanted=job.exception is not None and job.exception[0] == "cancel")

    def release(self, id: int) -> bool:
        """Let a job go on that this instance's prologs held; say whether it is one of ours."""
        entry = self.distributor.entries.get(id)
        if entry is None:
            self.own.discard(id)
            return False
        if entry.held is not None:
            held, entry.held = entry.held, None
            self._report([ExecEvent(id, name, context, t) for name, context, t in held])
        return True

    def has(self, id: int) -> bool:
        """Say whether a job was taken and isn't over."""
        return id in self.distributor.entries

    def kill(self, id: int, signum: int) -> None:
        """Pass a signal on."""
        entry = self.distributor.entries[id]
        if entry.child is not None:
            self._tell(entry.child, "kill", [id, signum])

    def end(self, id: int) -> None:
        """End a job that has had an exception."""
        entry = self.distributor.entries[id]
        if entry.child is None:
            # A child died while it ran there, and no other has it yet.
            self._over(entry, None)
        elif not entry.cancelled:
            entry.cancelled = True
            self._tell(entry.child, "cancel", [id, *self._why(id)])

    def move_expiration(self, id: int, t: float) -> None:
        """Pass a changed time limit on."""
        entry = self.distributor.entries[id]
        if entry.child is not None:
            self._tell(entry.child, "expiration", [id, t])

    # Turns

    def turn(self) -> None:
        """Hand down what can be, and tell the job manager what can't."""
        if self._denied:
            denied, self._denied = self._denied, []
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
                        again=entry.request.id in self._before,
                    )
                    self._before.add(entry.request.id)
                except Exception as error:
                    # One that can't be told must not keep the others back.
                    log.exception("job %s can't be handed down", JobID(entry.request.id))
                    self._deny(child, [(entry.request.id, f"{type(error).__name__}: {error}")])
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
            self._seen[job.id] = int(self.engine.store.meta(SEEN + str(job.id)) or 0)
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
                    self._lost([entry], "the child that ran it is gone")

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
        child.failures, child.idle_since = 0, now
        self._notes[child.index] = {"exec": {"child": str(JobID(child.jobid))}}
        self._reconcile(child, set(have))
        self._look_whether_all_are_back()
        self._changed()
        return self._seen.get(child.jobid, 0)

    def left(self, child: Child, link: Link) -> None:
        """Note that a connection is lost; if the child's job ends as well, `freed` says so."""
        if self.links.get(child) is link:
            del self.links[child]
            if child.state is ChildState.UP:
                child.enter(ChildState.AWAY, self.engine.now())
            self._changed()

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
            self._drop(entry)
        if waiting and self.engine.sched.scheduler is not None:
            self.engine.sched.scheduler.alloc([entry.request for entry in waiting])

    def report(self, child: Child, report: Mapping[str, Any]) -> None:
        """Take what a child reports: see `mirror.Report` for its keys."""
        seq = report["seq"]
        if seq <= self._seen.get(child.jobid, 0):
            return
        self._seen[child.jobid] = seq
        engine, entries = self.engine, self.distributor.entries
        now = engine.now()
        self._take_allocations(child, report.get("alloc") or ())
        events: list[ExecEvent] = []
        for id, name, context, t in report.get("events") or ():
            entry = entries.get(id)
            if entry is not None and entry.child is child:
                self._event(entry, name, context, t, events)
        over = []
        for id, t, kind, note in report.get("over") or ():
            entry = entries.get(id)
            if entry is not None and entry.child is child:
                over.append((entry, t, kind, note))
        for entry, t, kind, note in over:
            self._finish(entry, t, kind, note, events)
        child.finished(len(over), now)
        self._deny(child, report.get("deny") or ())
        link = self.links.get(child)
        jobid = child.jobid

        def durable() -> None:
            if link is not None:
                link.acknowledge(seq)
                self._changed()

        meta = {SEEN + str(jobid): seq} if self._durable else None
        engine.exec.exec_report(events, report.get("logs") or (), durable, meta)
        self._changed()

    # Inside

    def _take_allocations(self, child: Child, allocations: Sequence[Any]) -> None:
        granted, times = [], {}
        jobs, entries = self.engine.jobs, self.distributor.entries
        notes = self._notes[child.index]
        for id, t, R in allocations:
            entry = entries.get(id)
            if entry is None or entry.child is not child or entry.running:
                continue
            self.distributor.started(entry)
            # One that is being cancelled as well: the job manager then says that it's over.
            if not self._facts(id) & ALLOCATED:
                granted.append((id, lift(R, child.ranks), notes))
                times[id] = t
        if granted:
            self.engine.sched.alloc_success(granted, times)
            for id, _, _ in granted:
                if id in jobs and jobs[id].prologs:
                    entries[id].held = []

    def _event(self, entry: Entry, name: str, context: Any, t: float, events: list[ExecEvent]) -> None:
        id = entry.request.id
        if not self._facts(id) & ALLOCATED:
            return  # it was cancelled here before its child had given it anything
        if name == "exception":
            if entry.cancelled or entry.recalled or not entry.running:
                return  # it is this instance's own, or what a job ends with that never ran
            entry.cancelled = context["severity"] == 0
        elif name == "memo":
            job = self.engine.jobs.get(id)
            if job is not None:
                self.engine.post(job, "memo", context)
            return
        elif name == "start" and self._facts(id) & STARTED:
            return  # it has started before, in a child that died
        if entry.held is not None:
            entry.held.append((name, context, t))
        else:
            events.append(ExecEvent(id, name, context, t))

    def _finish(self, entry: Entry, t: float, kind: str, note: str, events: list[ExecEvent]) -> None:
        """Act on the end of a job in a child; (kind, note) is the exception that ended it, if one did."""
        id = entry.request.id
        job = self.engine.jobs.get(id)
        if entry.running:
            if job is not None and job.R is not None and job.facts & ALLOCATED:
                release = ("release", {"ranks": ranks_of(job.R), "final": True}, t)
                if entry.held is not None:
                    # The rest is told when the prolog is over; until then the job stays ours.
                    entry.held.append(release)
                    if entry.child is not None:
                        entry.child.give_back(entry, t)
                    return
                events.append(ExecEvent(id, *release))
            self._drop(entry)
            return
        if entry.recalled:
            self._drop(entry)
            self.engine.sched.alloc_cancelled([id])
        elif kind == "alloc" and entry.child is not None:
            self._deny(entry.child, [(id, note)])
        else:
            self._drop(entry)
            if job is not None and job.state is State.SCHED:
                context = {"type": kind or "exec", "severity": 0, "note": note}
                self.engine.post(job, "exception", context)
                self.engine.sched.alloc_cancelled([id])

    def _deny(self, child: Child, denied: Sequence[Any]) -> None:
        """Try elsewhere what a child can't run."""
        for id, note in denied:
            entry = self.distributor.entries.get(id)
            if entry is None or entry.child is not child:
                continue
            entry.denied |= {child.index}
            if entry.recalled:
                self._drop(entry)
                self.engine.sched.alloc_cancelled([id])
            elif self.distributor.fits(entry.needs, entry.denied):
                self.distributor.put_back(entry, self.engine.now())
            else:
                self._drop(entry)
                self._misplaced(entry, note)

    def _misplaced(self, entry: Entry, note: str) -> None:
        """See to a job that all children have refused."""
        id = entry.request.id
        scheduler = self.engine.sched.scheduler
        if self.table.misfits == "run" and scheduler is not None:
            self.own.add(id)
            scheduler.alloc([entry.request])
        else:
            self._denied.append((id, f"no child can run it: {note}"))
            self._changed()

    def _misfit(self, request: AllocRequest, why: str, left: list[AllocRequest]) -> None:
        if self.table.misfits == "run":
            self.own.add(request.id)
            left.append(request)
        else:
            self._denied.append((request.id, why))

    def _reconcile(self, child: Child, have: set[int]) -> None:
        """Compare what a child came with to what it should have."""
        now = self.engine.now()
        missing = [entry for id, entry in child.jobs.items() if id not in have]
        for entry in missing:
            if not entry.running:
                if entry.recalled:
                    self._drop(entry)
                    self.engine.sched.alloc_cancelled([entry.request.id])
                else:
                    self.distributor.put_back(entry, now)
        self._lost([entry for entry in missing if entry.running], "the child has lost it")
        for id in have - set(child.jobs):
            held = self.distributor.entries.get(id)
            job = self.engine.jobs.get(id)
            if held is not None and held.child is None:
                self.distributor.adopt(held, child, running=False)
            elif held is None and job is not None and job.state in State.PENDING:
                self._claims[id] = child
            else:
                self._tell(child, "cancel", [id, "cancel", "the parent instance doesn't know it any more"])
        for id, entry in child.jobs.items():
            if entry.cancelled or entry.recalled:
                self._tell(child, "cancel", [id, *self._why(id)])

    def _ended(self, child: Child, *, wanted: bool) -> None:
        """The child's job is over: its jobs go elsewhere, or fail. `wanted`: somebody has cancelled it."""
        now = self.engine.now()
        wanted = wanted or child.state is ChildState.LEAVING
        child.enter(ChildState.ABSENT, now)
        jobid, child.jobid = child.jobid, 0
        link = self.links.pop(child, None)
        if link is not None:
            link.close()
        if not wanted or child.jobs:
            child.failed(now)
            level = logging.INFO if wanted else logging.WARNING
            told = "child %d (job %s) has ended; it had %d jobs"
            log.log(level, told, child.index, JobID(jobid), len(child.jobs))
        self._seen.pop(jobid, None)
        if self._durable:
            self.engine.write_meta(SEEN + str(jobid), None)
        for id in [id for id, other in self._claims.items() if other is child]:
            del self._claims[id]
        running = []
        for entry in list(child.jobs.values()):
            if entry.running:
                running.append(entry)
            elif entry.recalled:
                self._drop(entry)
                self.engine.sched.alloc_cancelled([entry.request.id])
            else:
                self.distributor.put_back(entry, now)
        self._lost(running, f"the child instance {JobID(jobid)} that ran it has ended")
        self._look_whether_all_are_back()
        self._changed()

    def _lost(self, entries: Sequence[Entry], note: str) -> None:
        """See to jobs that were running in a child that is gone: once more, or an end."""
        now = self.engine.now()
        for entry in entries:
            job = self.engine.jobs.get(entry.request.id)
            if job is None:
                self._drop(entry)
            elif job.state is not State.RUN:
                self._over(entry, None)
            elif self.table.on_child_failure == "retry" and entry.tries < self.table.retries:
                entry.tries += 1
                self.engine.post(job, "debug.rerun", {"note": note, "tries": entry.tries})
                self.distributor.put_back(entry, now)
            else:
                self._over(entry, note)
        self.engine.kick()

    def _look_whether_all_are_back(self) -> None:
        children = self.distributor.children
        if not self.withdrawn and not any(child.state is ChildState.AWAY for child in children):
            self.distributor.hold = False

    def _over(self, entry: Entry, note: str | None) -> None:
        """End a job that nobody runs, by an exception if `note` says why."""
        id, now = entry.request.id, self.engine.now()
        job = self.engine.jobs.get(id)
        events = []
        if note is not None:
            context = {"type": "exec", "severity": 0, "note": note}
            events.append(ExecEvent(id, "exception", context, now))
        if self._facts(id) & (STARTED | FINISHED) == STARTED:
            events.append(ExecEvent(id, "finish", {"status": KILLED}, now))
        if job is not None and job.R is not None:
            events.append(ExecEvent(id, "release", {"ranks": ranks_of(job.R), "final": True}, now))
        self._drop(entry)
        self._report(events)

    def _report(self, events: Sequence[ExecEvent]) -> None:
        self.engine.exec.exec_report(events, ())

    def _drop(self, entry: Entry) -> None:
        self.distributor.remove(entry, self.engine.now())

    def _facts(self, id: int) -> int:
        job = self.engine.jobs.get(id)
        return 0 if job is None else job.facts

    def _why(self, id: int) -> tuple[str, str]:
        job = self.engine.jobs.get(id)
        kind, _, note = (job.exception if job is not None else None) or ("cancel", 0, "")
        return kind, note

    def _tell(self, child: Child, what: str, item: list[Any]) -> None:
        link = self.links.get(child)
        if link is not None:
            link.tell(what, item)
            self._changed()
