"""Children that end, or come back without what they had: what becomes of their jobs."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

from bourn.hookspecs.exec_method import ExecEvent
from bourn.hookspecs.store import OUTPUT
from bourn.model.jobid import JobID
from bourn.model.states import State
from bourn_plugins.hierarchy.child import ChildState
from bourn_plugins.hierarchy.last_words import last_words
from bourn_plugins.hierarchy.level import SEEN
from bourn_plugins.hierarchy.rank_map import ranks_of
from bourn_plugins.job_manager.job import FINISHED, STARTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn_plugins.hierarchy.child import Child, Entry
    from bourn_plugins.hierarchy.level import Level
    from bourn_plugins.job_manager.job import Job

log = logging.getLogger("bourn.hierarchy")

KILLED = int(signal.SIGKILL)


class Losses:
    """Sees to the jobs of children that are gone."""

    def __init__(self, level: Level) -> None:
        self._level = level

    def reconcile(self, child: Child, have: set[int]) -> None:
        """Compare what a child came with to what it should have."""
        now = self._level.engine.now()
        missing = [entry for id, entry in child.jobs.items() if id not in have]
        for entry in missing:
            if not entry.running:
                if entry.recalled:
                    self._level.drop(entry)
                    self._level.engine.sched.alloc_cancelled([entry.request.id])
                else:
                    self._level.distributor.put_back(entry, now)
        self.lost([entry for entry in missing if entry.running], "the child has lost it")
        for id in have - set(child.jobs):
            held = self._level.distributor.entries.get(id)
            job = self._level.engine.jobs.get(id)
            if held is not None and held.child is None:
                self._level.distributor.adopt(held, child, running=False)
            elif held is None and job is not None and job.state in State.PENDING:
                self._level.claims[id] = child
            else:
                self._level.tell(
                    child, "cancel", [id, "cancel", "the parent instance doesn't know it any more"]
                )
        for id, entry in child.jobs.items():
            if entry.cancelled or entry.recalled:
                self._level.tell(child, "cancel", [id, *self._level.why(id)])

    def ended(self, child: Child, job: Job) -> None:
        """The child's job is over: its jobs go elsewhere, or fail."""
        now = self._level.engine.now()
        cancelled = job.exception is not None and job.exception[0] == "cancel"
        wanted = cancelled or child.state is ChildState.LEAVING
        early = " before it was up" if child.state is ChildState.RAISING else ""
        child.enter(ChildState.ABSENT, now)
        jobid, child.jobid = child.jobid, 0
        link = self._level.links.pop(child, None)
        if link is not None:
            link.end()
        if not wanted or child.jobs:
            child.failed(now)
            level = logging.INFO if wanted else logging.WARNING
            why = "" if wanted else last_words(job, self._level.engine.store.events(job.id, OUTPUT))
            child.note = f"ended{early}{': ' if why else ''}{why}"
            had = f"; it had {len(child.jobs)} job{'s' if len(child.jobs) > 1 else ''}" if child.jobs else ""
            log.log(level, "child %d (job %s) %s%s", child.index, JobID(jobid), child.note, had)
        self._level.seen.pop(jobid, None)
        if self._level.durable:
            self._level.engine.write_meta(SEEN + str(jobid), None)
        for id in [id for id, other in self._level.claims.items() if other is child]:
            del self._level.claims[id]
        running = []
        for entry in list(child.jobs.values()):
            if entry.running:
                running.append(entry)
            elif entry.recalled:
                self._level.drop(entry)
                self._level.engine.sched.alloc_cancelled([entry.request.id])
            else:
                self._level.distributor.put_back(entry, now)
        self.lost(running, f"the child instance {JobID(jobid)} that ran it has ended")
        self.look_whether_all_are_back()
        self._level.changed()

    def lost(self, entries: Sequence[Entry], note: str) -> None:
        """See to jobs that were running in a child that is gone: once more, or an end."""
        now = self._level.engine.now()
        for entry in entries:
            job = self._level.engine.jobs.get(entry.request.id)
            if job is None:
                self._level.drop(entry)
            elif job.state is not State.RUN:
                self.over(entry, None)
            elif self._level.table.on_child_failure == "retry" and entry.tries < self._level.table.retries:
                entry.tries += 1
                self._level.engine.post(job, "debug.rerun", {"note": note, "tries": entry.tries})
                self._level.distributor.put_back(entry, now)
            else:
                self.over(entry, note)
        self._level.engine.kick()

    def over(self, entry: Entry, note: str | None) -> None:
        """End a job that nobody runs, by an exception if `note` says why."""
        id, now = entry.request.id, self._level.engine.now()
        job = self._level.engine.jobs.get(id)
        events = []
        if note is not None:
            context = {"type": "exec", "severity": 0, "note": note}
            events.append(ExecEvent(id, "exception", context, now))
        if self._level.facts(id) & (STARTED | FINISHED) == STARTED:
            events.append(ExecEvent(id, "finish", {"status": KILLED}, now))
        if job is not None and job.R is not None:
            events.append(ExecEvent(id, "release", {"ranks": ranks_of(job.R), "final": True}, now))
        self._level.drop(entry)
        self._level.report_events(events)

    def look_whether_all_are_back(self) -> None:
        """Hand jobs down again once no child is missed that may have some."""
        children = self._level.distributor.children
        if not self._level.withdrawn and not any(child.state is ChildState.AWAY for child in children):
            self._level.distributor.hold = False
