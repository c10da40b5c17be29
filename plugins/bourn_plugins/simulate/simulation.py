"""Drives a scheduler through a workload in virtual time.

The scheduler is the module that an instance runs, the whole of it: its `run` takes the resources, says hello
and is ready; then it gets `alloc` and `free`, a batch of each an instant, and answers through `SchedClient`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import trio
from attrs import define
from trio.testing import wait_all_tasks_blocked

from bourn.errors import BournError
from bourn.hookspecs.sched import AllocRequest, FreeRequest, Scheduler
from bourn_plugins.simulate.clock import Agenda, Kind, settle
from bourn_plugins.simulate.host import HostContext
from bourn_plugins.simulate.job import Job, Record
from bourn_plugins.simulate.usage import Meter, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.broker.module import ModuleContext
    from bourn.config import Config
    from bourn.hookspecs.modules import ModuleSpec
    from bourn.hookspecs.sched import HelloJob
    from bourn.plugins import PluginManager
    from bourn_plugins.simulate.job import Workload
    from bourn_plugins.simulate.machine import Machine


@define
class Result:
    """What came of a simulation."""

    records: list[Record]
    """All jobs that were submitted, in that order."""
    series: Series
    end: float
    """When the clock stopped."""
    events: int
    """Submissions, starts and ends."""
    facts: dict[str, object]
    """What the scheduler says of itself (`Module.stats`), as the names of its policies."""


class Simulation:
    """One run; it is the `bourn.hookspecs.sched.SchedClient` of the scheduler."""

    def __init__(
        self,
        spec: ModuleSpec,
        machine: Machine,
        workload: Workload,
        config: Config,
        plugins: PluginManager,
        until: float = math.inf,
    ) -> None:
        self._workload = workload
        self._until = until
        self._agenda = Agenda()
        self._meter = Meter(machine.capacity)
        self._records: list[Record] = []
        self._pending = 0
        self._running: dict[int, dict[str, Any]] = {}
        """R of each running job."""
        self._context = HostContext(spec.name, config, plugins, machine.R, self, self._agenda.current_time)
        self._module = spec.factory(cast("ModuleContext", self._context))
        if not isinstance(self._module, Scheduler):
            raise BournError(f"module {spec.name} lacks methods of bourn.hookspecs.sched.Scheduler")
        self._scheduler: Scheduler = self._module

    def run(self) -> Result:
        """Simulate until nothing is left to happen; call it once.

        Raises BournError if the scheduler refuses to start, or fails.
        """
        trio.run(self._main, clock=self._agenda)
        records = self._records
        started = sum(record.start is not None for record in records)
        ended = sum(record.end is not None for record in records)
        return Result(
            records,
            self._meter.series,
            self._agenda.now,
            len(records) + started + ended,
            self._module.stats(),
        )

    async def _main(self) -> None:
        fault: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                self._context.nursery = nursery
                await nursery.start(lambda task_status: self._module.run(task_status=task_status))
                await self._loop()
                nursery.cancel_scope.cancel()
        except* Exception as group:
            fault = _first(group)
        if isinstance(fault, BournError):
            raise fault
        if fault is not None:
            what = f"{type(fault).__name__}: {fault}"
            raise BournError(
                f"scheduler {self._context.name} failed at {self._agenda.now:g} s: {what}"
            ) from fault

    # -- the loop --

    async def _loop(self) -> None:
        agenda = self._agenda
        for job in self._workload.begin():
            agenda.add(job.submit, Kind.SUBMIT, job)
        timer = math.inf
        while (when := min(agenda.next, timer)) <= self._until:
            only_timer = agenda.next == math.inf
            if only_timer and (timer == math.inf or not self._pending):
                break
            agenda.now = when
            if when == timer:
                await wait_all_tasks_blocked()
            self._instant()
            timer = await settle(when)
            if only_timer and agenda.next == math.inf:
                break  # the scheduler looked again, and nothing came of it
        if agenda.next < math.inf:
            agenda.now = self._until

    def _instant(self) -> None:
        """Handle all that happens now, then let the scheduler decide."""
        agenda = self._agenda
        frees: list[FreeRequest] = []
        requests: list[AllocRequest] = []
        while (event := agenda.pop()) is not None:
            kind, what = event
            if kind is Kind.END:
                frees.append(self._end(cast("Record", what)))
            else:
                requests.append(self._submit(cast("Job", what)))
        if frees:
            self._scheduler.free(frees)
        if requests:
            self._scheduler.alloc(requests)
        self._context.turn()
        self._meter.note(agenda.now, self._pending, len(self._running))

    def _submit(self, job: Job) -> AllocRequest:
        record = Record(len(self._records) + 1, job, self._agenda.now)
        self._records.append(record)
        self._pending += 1
        return AllocRequest(record.id, job.priority, job.user, record.submit, job.jobspec, None, job.queue)

    def _end(self, record: Record) -> FreeRequest:
        record.end = self._agenda.now
        limit = record.job.jobspec.counts.duration
        record.state = "timeout" if limit and record.job.runtime > limit else "completed"
        self._meter.end(record)
        self._follow(record)
        return FreeRequest(record.id, self._running.pop(record.id))

    def _follow(self, record: Record) -> None:
        """Let the workload react to a job that is over."""
        now = self._agenda.now
        for job in self._workload.finished(record):
            self._agenda.add(max(job.submit, now), Kind.SUBMIT, job)

    # -- SchedClient --

    def sched_hello(self, scheduler: Scheduler) -> list[HelloJob]:
        """Tell that nothing runs."""
        return []

    def sched_ready(self, scheduler: Scheduler) -> None:
        """Take note."""

    def alloc_success(self, jobs: Sequence[tuple[int, dict[str, Any], dict[str, Any] | None]]) -> None:
        """Start jobs."""
        now = self._agenda.now
        for id, R, _ in jobs:
            record = self._waiting(id)
            record.state, record.start, record.reason = "running", now, ""
            record.R_lite = R["execution"]["R_lite"]
            self._pending -= 1
            self._running[id] = R
            self._meter.start(record)
            # An instance ends a job at its limit.
            limit = record.job.jobspec.counts.duration
            self._agenda.add(now + min(record.job.runtime, limit or math.inf), Kind.END, record)

    def alloc_deny(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Take refusals."""
        for id, reason in jobs:
            record = self._waiting(id)
            record.state, record.reason = "denied", reason
            self._pending -= 1
            self._follow(record)

    def alloc_cancelled(self, ids: Sequence[int]) -> None:
        """Nothing is cancelled."""

    def annotate(self, jobs: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Take note of why jobs wait, and until when."""
        for id, notes in jobs:
            record, sched = self._records[id - 1], notes.get("sched", {})
            record.reason = sched.get("reason_pending", record.reason)
            if record.estimate is None:
                record.estimate = sched.get("t_estimate")

    def _waiting(self, id: int) -> Record:
        record = self._records[id - 1]
        if record.state != "pending":
            raise BournError(f"{self._context.name}: answered job {id} twice; it is {record.state}")
        return record


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first error in a group of groups."""
    found: Exception = group
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found
