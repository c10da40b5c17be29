"""Scheduling in virtual time: the objects that an instance schedules with, driven by a heap of events."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from bourn.hookspecs.sched import AllocRequest
from bourn_plugins.sched_graph.book import Book
from bourn_plugins.sched_graph.planner import Planner
from bourn_plugins.sched_graph.reasons import Reasons
from bourn_plugins.sched_graph.request import compile_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.hookspecs.queue_policy import QueuePolicy
    from bourn_plugins.sched_graph.engine import Engine, Parts
    from bourn_plugins.sched_graph.request import Request

_END, _SUBMIT = 0, 1
"""What ends at a time frees its resources before what is submitted then is looked at."""


@define(eq=False)
class SimJob:
    """A job of a trace, and what became of it. Times in seconds from the trace's start."""

    id: int
    submit: float
    runtime: float
    """How long it really runs; its jobspec's duration is what the scheduler believes."""
    jobspec: dict[str, Any]
    priority: int = 16
    name: str = ""
    start: float | None = None
    end: float | None = None
    cores: int = 0
    gpus: int = 0
    nodes: tuple[int, ...] = ()
    """Numbers of the nodes that it had."""
    refused: str = ""

    @property
    def wait(self) -> float:
        """Seconds from submission to start."""
        return 0.0 if self.start is None else self.start - self.submit

    @property
    def slowdown(self) -> float:
        """Time in the system as a multiple of the run time, of at least 10 s (bounded slowdown)."""
        return max(1.0, (self.wait + self.runtime) / max(self.runtime, 10.0))


@define(eq=False)
class Report:
    """The outcome of a simulation."""

    jobs: list[SimJob]
    total_cores: int
    total_gpus: int
    usage: list[tuple[float, int, int]]
    """(time, cores in use, GPUs in use), at each change."""
    saturated: float = 0.0
    """Share of cores in use while jobs were waiting."""
    saturated_gpus: float = 0.0
    passes: int = 0

    @property
    def makespan(self) -> float:
        """Seconds until the last job ended."""
        return max((job.end for job in self.jobs if job.end is not None), default=0.0)

    @property
    def utilization(self) -> float:
        """Share of core time that was used, from start to end."""
        span = self.makespan * self.total_cores
        used = sum(job.cores * ((job.end or 0.0) - (job.start or 0.0)) for job in self.done)
        return used / span if span else 0.0

    @property
    def done(self) -> list[SimJob]:
        """The jobs that ran."""
        return [job for job in self.jobs if job.end is not None]

    def mean(self, value: Callable[[SimJob], float]) -> float:
        """Return the mean of something over the jobs that ran."""
        done = self.done
        return sum(value(job) for job in done) / len(done) if done else 0.0


@define(eq=False)
class Simulation:
    """One run of a trace on an engine under a queue policy."""

    engine: Engine
    policy: QueuePolicy
    planner: Planner = Factory(lambda self: Planner(self.engine), takes_self=True)
    now: float = 0.0

    def run(self, jobs: Iterable[SimJob]) -> Report:
        """Run all jobs to their end."""
        trace = sorted(jobs, key=lambda job: (job.submit, job.id))
        by_id = {job.id: job for job in trace}
        reasons = Reasons(self.engine)
        book = Book(self.planner, lambda queue: self.policy, reasons.not_now)
        requests: dict[int, Request] = {}
        events: list[tuple[float, int, int]] = []
        for job in trace:
            heappush(events, (job.submit, _SUBMIT, job.id))
        report = Report(trace, self._total("core"), self._total("gpu"), [(0.0, 0, 0)])
        meter = _Meter(report)
        while events:
            self.now = events[0][0]
            meter.advance(self.now, bool(len(book)))
            while events and events[0][0] == self.now:
                _, kind, number = heappop(events)
                job = by_id[number]
                if kind == _END:
                    self.planner.finish(job.id)
                    meter.change(-job.cores, -job.gpus)
                else:
                    self._submit(job, book, reasons, requests)
            report.passes += 1
            for asked, parts, start, end in book.run(self.now).started:
                job = by_id[asked.id]
                self._started(job, parts, start)
                job.end = min(start + job.runtime, end)
                meter.change(job.cores, job.gpus)
                heappush(events, (job.end, _END, job.id))
            meter.note(self.now)
        meter.finish()
        return report

    def _submit(self, job: SimJob, book: Book, reasons: Reasons, requests: dict[int, Request]) -> None:
        # Jobs of one kind share their jobspec, and so all that is known about it.
        request = requests.get(id(job.jobspec))
        if request is None:
            request = requests[id(job.jobspec)] = compile_request(job.jobspec)
        job.refused = reasons.never(request) or ""
        if not job.refused:
            spec: Any = None
            asked = AllocRequest(job.id, job.priority, 0, job.submit, spec)
            book.add(asked, request)

    def _started(self, job: SimJob, parts: Parts, start: float) -> None:
        from bourn_plugins.sched_graph.allocation import masks_of

        cells = self.engine.cells
        job.start = start
        job.nodes = tuple(atom for atom, _ in parts)
        for atom, pick in parts:
            masks = masks_of(cells[atom].shape, pick)
            job.cores += masks.get("core", 0).bit_count()
            job.gpus += masks.get("gpu", 0).bit_count()

    def _total(self, type: str) -> int:
        return sum(cell.shape.totals.get(type, 0) for cell in self.engine.cells)


class _Meter:
    """Adds up use over time."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.cores = self.gpus = 0
        self._last = 0.0
        self._waiting = self._core_time = self._gpu_time = 0.0

    def advance(self, now: float, waiting: bool) -> None:
        span, self._last = now - self._last, now
        if waiting:
            self._waiting += span
            self._core_time += span * self.cores
            self._gpu_time += span * self.gpus

    def change(self, cores: int, gpus: int) -> None:
        self.cores += cores
        self.gpus += gpus

    def note(self, now: float) -> None:
        usage = self.report.usage
        if usage[-1][1:] != (self.cores, self.gpus):
            if usage[-1][0] == now:
                usage.pop()
            usage.append((now, self.cores, self.gpus))

    def finish(self) -> None:
        report = self.report
        if self._waiting:
            report.saturated = self._core_time / (self._waiting * report.total_cores or 1)
            report.saturated_gpus = self._gpu_time / (self._waiting * report.total_gpus or 1)
