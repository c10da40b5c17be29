"""What children report of their jobs, as the job manager is to hear it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs.exec_method import ExecEvent
from bourn.model.states import State
from bourn_plugins.hierarchy.level import SEEN
from bourn_plugins.hierarchy.rank_map import lift, ranks_of
from bourn_plugins.job_manager.job import ALLOCATED, STARTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn_plugins.hierarchy.child import Child, Entry
    from bourn_plugins.hierarchy.level import Level


class Reports:
    """Takes reports of the children of a level."""

    def __init__(self, level: Level) -> None:
        self._level = level

    def take(self, child: Child, report: Mapping[str, Any]) -> None:
        """Take what a child reports: see `mirror.Report` for its keys."""
        seq = report["seq"]
        if seq <= self._level.seen.get(child.jobid, 0):
            return
        self._level.seen[child.jobid] = seq
        engine, entries = self._level.engine, self._level.distributor.entries
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
        self._level.deny(child, report.get("deny") or ())
        link = self._level.links.get(child)
        jobid = child.jobid

        def durable() -> None:
            if link is not None:
                link.acknowledge(seq)
                self._level.changed()

        meta = {SEEN + str(jobid): seq} if self._level.durable else None
        engine.exec.exec_report(events, report.get("logs") or (), durable, meta)
        self._level.changed()

    def _take_allocations(self, child: Child, allocations: Sequence[Any]) -> None:
        granted, times = [], {}
        jobs, entries = self._level.engine.jobs, self._level.distributor.entries
        notes = self._level.notes[child.index]
        for id, t, R in allocations:
            entry = entries.get(id)
            if entry is None or entry.child is not child or entry.running:
                continue
            self._level.distributor.started(entry)
            # One that is being cancelled as well: the job manager then says that it's over.
            if not self._level.facts(id) & ALLOCATED:
                granted.append((id, lift(R, child.ranks), notes))
                times[id] = t
        if granted:
            self._level.engine.sched.alloc_success(granted, times)
            for id, _, _ in granted:
                if id in jobs and jobs[id].prologs:
                    entries[id].held = []

    def _event(self, entry: Entry, name: str, context: Any, t: float, events: list[ExecEvent]) -> None:
        id = entry.request.id
        if not self._level.facts(id) & ALLOCATED:
            return  # it was cancelled here before its child had given it anything
        if name == "exception":
            if entry.cancelled or entry.recalled or not entry.running:
                return  # it is this instance's own, or what a job ends with that never ran
            entry.cancelled = context["severity"] == 0
        elif name == "memo":
            job = self._level.engine.jobs.get(id)
            if job is not None:
                self._level.engine.post(job, "memo", context)
            return
        elif name == "start" and self._level.facts(id) & STARTED:
            return  # it has started before, in a child that died
        if entry.held is not None:
            entry.held.append((name, context, t))
        else:
            events.append(ExecEvent(id, name, context, t))

    def _finish(self, entry: Entry, t: float, kind: str, note: str, events: list[ExecEvent]) -> None:
        """Act on the end of a job in a child; (kind, note) is the exception that ended it, if one did."""
        id = entry.request.id
        job = self._level.engine.jobs.get(id)
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
            self._level.drop(entry)
            return
        if entry.recalled:
            self._level.drop(entry)
            self._level.engine.sched.alloc_cancelled([id])
        elif entry.returning:
            self._level.distributor.put_back(entry, t)
        elif kind == "alloc" and entry.child is not None:
            self._level.deny(entry.child, [(id, note)])
        else:
            self._level.drop(entry)
            if job is not None and job.state is State.SCHED:
                context = {"type": kind or "exec", "severity": 0, "note": note}
                self._level.engine.post(job, "exception", context)
                self._level.engine.sched.alloc_cancelled([id])
