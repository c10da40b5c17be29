"""What job plugins can do: `JobActions` and `JobHost` over the engine."""

from __future__ import annotations

import heapq
import logging
from typing import TYPE_CHECKING, Any

from bourn.model.states import State
from bourn_plugins.job_manager.job import ALLOC_BYPASS, Job
from bourn_plugins.job_manager.machine import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bourn.broker.module import ModuleContext
    from bourn.config import Config
    from bourn.hookspecs.job_plugins import JobPlugin
    from bourn_plugins.job_manager.engine import Engine

log = logging.getLogger("bourn.job-manager")


class Actions:
    """`JobActions`. Ids of jobs that have ended are ignored; an event that can't happen is logged and left
    out.

    Args:
        engine: of the job manager.
        timer_changed: called when the earliest wake-up may have changed.
    """

    def __init__(self, engine: Engine, timer_changed: Callable[[], None]) -> None:
        self._engine = engine
        self._timer_changed = timer_changed
        self._wakeups: list[tuple[float, int, int, JobPlugin]] = []
        self._serial = 0

    def now(self) -> float:
        """Return the time of this turn."""
        return self._engine.now()

    def post_event(self, id: int, name: str, context: Mapping[str, Any] | None = None) -> None:
        """Append an event to the job's eventlog."""
        job = self._engine.jobs.get(id)
        if job is None or job.state is State.INACTIVE:
            return
        try:
            self._engine.post(job, name, dict(context) if context else None)
        except IllegalEvent as error:
            log.error("job %d: a plugin posts: %s", id, error.message)
        self._engine.kick()

    def add_dependency(self, id: int, description: str) -> None:
        """Hold the job in DEPEND."""
        self.post_event(id, "dependency-add", {"description": description})

    def remove_dependency(self, id: int, description: str) -> None:
        """Let go; when none is left the job goes on."""
        self.post_event(id, "dependency-remove", {"description": description})

    def prolog_start(self, id: int, description: str) -> None:
        """Delay the start of a job that has resources."""
        self.post_event(id, "prolog-start", {"description": description})

    def prolog_finish(self, id: int, description: str, status: int = 0) -> None:
        """End that delay; a status other than 0 raises a fatal exception."""
        if status:
            self.raise_exception(id, "prolog", 0, f"{description} failed with status {status}")
        self.post_event(id, "prolog-finish", {"description": description, "status": status})

    def epilog_start(self, id: int, description: str) -> None:
        """Keep the resources of a job that has finished."""
        self.post_event(id, "epilog-start", {"description": description})

    def epilog_finish(self, id: int, description: str, status: int = 0) -> None:
        """Let go of them; a status other than 0 raises an exception."""
        if status:
            self.raise_exception(id, "epilog", 0, f"{description} failed with status {status}")
        self.post_event(id, "epilog-finish", {"description": description, "status": status})

    def raise_exception(self, id: int, type: str, severity: int, note: str) -> None:
        """Raise a job exception; severity 0 ends the job."""
        self.post_event(id, "exception", {"type": type, "severity": severity, "note": note})

    def set_priority(self, id: int, priority: int) -> None:
        """Set the priority of a job in PRIORITY or SCHED; a job that isn't there yet will be asked about."""
        job = self._engine.jobs.get(id)
        if job is not None and job.state in (State.PRIORITY, State.SCHED) and priority != job.priority:
            self.post_event(id, "priority", {"priority": priority})

    def set_annotations(self, id: int, annotations: Mapping[str, Any]) -> None:
        """Merge annotations; None removes a key."""
        job = self._engine.jobs.get(id)
        if job is not None:
            self._engine.annotate_job(job, annotations)

    def set_memo(self, id: int, memo: Mapping[str, Any]) -> None:
        """Merge a memo, which is kept with the job."""
        self.post_event(id, "memo", memo)

    def set_flags(self, id: int, flags: Iterable[str]) -> None:
        """Set flags by name."""
        self.post_event(id, "set-flags", {"flags": list(flags)})

    def update_jobspec(self, id: int, updates: Mapping[str, Any]) -> None:
        """Change dotted keys for this job."""
        self.post_event(id, "jobspec-update", updates)

    def set_resources(self, id: int, R: Mapping[str, Any]) -> None:
        """Give the job resources past the scheduler; only before the state SCHED ends."""
        job = self._engine.jobs.get(id)
        if job is None or job.state not in (State.NEW, State.DEPEND, State.PRIORITY, State.SCHED):
            return
        job.R = dict(R)
        job.expiration = float(R["execution"].get("expiration") or 0.0)
        if not job.flags & ALLOC_BYPASS:
            self.set_flags(id, ["alloc-bypass"])

    def wake(self, plugin: JobPlugin, at: float, id: int) -> None:
        """Have the plugin's `wake` called for the job at that time."""
        self._serial += 1
        heapq.heappush(self._wakeups, (at, self._serial, id, plugin))
        self._timer_changed()

    @property
    def next_wakeup(self) -> float | None:
        """When the next `wake` is due (epoch seconds)."""
        return self._wakeups[0][0] if self._wakeups else None

    def run_wakeups(self, now: float) -> None:
        """Call every `wake` that is due."""
        due = []
        while self._wakeups and self._wakeups[0][0] <= now:
            due.append(heapq.heappop(self._wakeups))
        hooks = self._engine.hooks
        for _, _, id, plugin in due:
            job = self._engine.jobs.get(id)
            entry = hooks.loaded.get(plugin.name)
            if job is not None and job.state is not State.INACTIVE and entry is not None:
                hooks.tell([(entry, plugin.wake)], job, self)


class Host:
    """`JobHost`: what a plugin gets when it is loaded."""

    def __init__(self, engine: Engine, actions: Actions, config: Config, ctx: ModuleContext | None) -> None:
        self._engine = engine
        self.actions = actions
        self.config = config
        self.ctx = ctx

    def job(self, id: int) -> Job | None:
        """Return an active job."""
        return self._engine.jobs.get(id)

    def jobs(self) -> Iterator[Job]:
        """Return all active jobs."""
        return iter(list(self._engine.jobs.values()))
