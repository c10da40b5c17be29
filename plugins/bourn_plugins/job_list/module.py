"""The service `job-list`: active jobs from the job manager's memory, inactive ones from the store, in pieces.

Pending jobs come first, the highest priority first; then running ones, the latest started first; then
inactive ones, the latest ended first.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.broker.module import ANYONE, Module, Request, method
from bourn.broker.request import is_int
from bourn.errors import BournError, suggest
from bourn.hookspecs.store import JobQuery
from bourn.model.states import Result, State

from .constraint import compile_constraint, narrow
from .records import ATTRS, INACTIVE, Record, active_record, inactive_record, project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bourn.hookspecs.store import JobDone, Store
    from bourn_plugins.job_manager.job import Job

PIECE = 200
DEFAULT_ENTRIES = 1000
FILTERS = ("userid", "name", "queue", "states", "results", "id", "hostlist", "ranks")
_PENDING = int(State.PENDING) | int(State.NEW)


def order(record: Record) -> tuple[Any, ...]:
    """Sort key of active jobs: pending by priority and age, then running, then those about to be inactive."""
    state = record["state"]
    if state & _PENDING:
        return (0, -record["priority"], record["id"])
    if state & INACTIVE:
        return (2, -record.get("t_inactive", 0.0), -record["id"])
    return (1, -record.get("t_run", 0.0), -record["id"])


class JobListModule(Module):
    """Answers queries; holds nothing."""

    @property
    def _store(self) -> Store:
        store: Store = self.ctx.provider("store").store
        return store

    def _active(self) -> list[Record]:
        manager = self.ctx.provider("job-manager")
        if manager is None:
            return []
        return [active_record(job, _summary) for job in manager.list_active()]

    @method(allow=ANYONE, streaming=True, name="list")
    async def list_jobs(self, request: Request) -> None:
        """Respond with {jobs: [...]} in pieces.

        `attrs`: the attributes wanted, ["all"] by default. `max_entries`: 1000 by default, 0 for all.
        `since`: inactive jobs later than this only. `constraint`: a tree as in RFC 43; `userid`, `name`,
        `queue`, `states`, `results`, `id`, `hostlist` and `ranks` are short for one of that operator.
        """
        attrs = _attrs(request)
        limit = request.get("max_entries", int, DEFAULT_ENTRIES)
        if limit < 0:
            raise BournError("job-list.list: max_entries must be 0 or more", errno.EPROTO)
        constraint = _constraint(request)
        matches = compile_constraint(constraint)
        since = request.get("since", float, 0.0)
        piece: list[Record] = []
        for count, record in enumerate(self._all(constraint, matches, since), 1):
            piece.append(project(record, attrs))
            if len(piece) == PIECE:
                request.respond({"jobs": piece})
                piece = []
                await trio.lowlevel.checkpoint()
                await request.drained()
            if count == limit:
                break
        if piece:
            request.respond({"jobs": piece})

    def _all(
        self, constraint: dict[str, Any], matches: Callable[[Record], bool], since: float
    ) -> Iterator[Record]:
        active = sorted(self._active(), key=order)
        # A job may end while the list is on its way: it is told of once.
        told = {record["id"] for record in active}
        for record in active:
            if matches(record) and not (
                record["state"] == INACTIVE and record.get("t_inactive", 0.0) <= since
            ):
                yield record
        query = narrow(JobQuery(since=since), constraint)
        if query is not None:
            for row in self._store.query_jobs(query):
                if row.id not in told and matches(record := inactive_record(row)):
                    yield record

    @method(allow=ANYONE, name="list-id")
    def list_id(self, request: Request) -> dict[str, Any]:
        """Respond {job} of `id`, or {jobs} of `ids`, in that order; ENOENT names a job that isn't there."""
        attrs = _attrs(request)
        ids = request.get("ids", list, None)
        if ids is None:
            return {"job": project(self._one(request.get("id", int)), attrs)}
        if not all(is_int(i) for i in ids):
            raise BournError("job-list.list-id: 'ids' must be numbers", errno.EPROTO)
        return {"jobs": [project(self._one(i), attrs) for i in ids]}

    def _one(self, jobid: int) -> Record:
        manager = self.ctx.provider("job-manager")
        job = manager.engine.jobs.get(jobid) if manager is not None else None
        if job is not None:
            return active_record(job, _summary)
        row = self._store.inactive_job(jobid)
        if row is None:
            from bourn.model.jobid import JobID

            raise BournError(f"job {JobID(jobid)} does not exist", errno.ENOENT)
        return inactive_record(row)

    @method(allow=ANYONE, name="stats")
    def job_stats(self, request: Request) -> dict[str, Any]:
        """Respond with the number of jobs in each state and of each result, in all and by queue."""
        total = _Tally()
        queues: dict[str, _Tally] = {}
        active = self._active()
        for record in active:
            for tally in _tallies(total, queues, record.get("queue")):
                tally.state(record["state"], record.get("result", 0), 1)
        for row in self._store.job_stats():
            for tally in _tallies(total, queues, row.queue):
                tally.state(INACTIVE, row.result, row.jobs)
        return {
            **total.out(),
            "inactive_purged": self._store.meta("jobs-purged") or 0,
            "queues": [{"name": name, **tally.out()} for name, tally in sorted(queues.items())],
        }


class _Tally:
    """Jobs by state and by result."""

    def __init__(self) -> None:
        self.states = dict.fromkeys((s.name.lower() for s in _STATES if s.name), 0)
        self.results = dict.fromkeys((r.name.lower() for r in Result if r.name), 0)

    def state(self, state: int, result: int, jobs: int) -> None:
        name = State(state).name
        if name and name.lower() in self.states:
            self.states[name.lower()] += jobs
        if state == INACTIVE and result and (name := Result(result).name):
            self.results[name.lower()] += jobs

    def out(self) -> dict[str, Any]:
        states = {**self.states, "total": sum(self.states.values())}
        results = dict(self.results)
        return {"job_states": states, "successful": results.pop("completed"), **results}


_STATES = (State.DEPEND, State.PRIORITY, State.SCHED, State.RUN, State.CLEANUP, State.INACTIVE)


def _tallies(total: _Tally, queues: dict[str, _Tally], queue: str | None) -> list[_Tally]:
    if queue is None:
        return [total]
    if queue not in queues:
        queues[queue] = _Tally()
    return [total, queues[queue]]


def _summary(job: Job) -> JobDone:
    from bourn_plugins.job_manager.turn import job_done

    return job_done(job, _encode)


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _attrs(request: Request) -> frozenset[str] | None:
    attrs = request.get("attrs", list, None)
    if attrs is None or "all" in attrs:
        return None
    for name in attrs:
        if not isinstance(name, str) or name not in ATTRS:
            raise BournError(f"job-list: no attribute '{name}'{suggest(str(name), ATTRS)}")
    return frozenset(attrs)


def _constraint(request: Request) -> dict[str, Any]:
    parts = [request.get("constraint", dict, {})]
    payload = request.payload or {}
    for name in FILTERS:
        value = payload.get(name)
        if value is not None and value != []:
            parts.append({name: value if isinstance(value, list) else [value]})
    return {"and": parts}
