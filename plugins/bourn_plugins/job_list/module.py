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
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID, member_id
from bourn.model.states import Result, State
from bourn_plugins.job_manager.arrays import counts_of

from .constraint import compile_constraint, narrow
from .records import (
    ATTRS,
    INACTIVE,
    Record,
    active_array_record,
    active_record,
    inactive_array_record,
    inactive_record,
    project,
    waiting_record,
)
from .usage import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bourn.hookspecs.store import ArrayRow, JobDone, Store
    from bourn_plugins.job_manager.arrays import ArrayDesk, JobArray
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

    @property
    def _arrays(self) -> ArrayDesk | None:
        manager = self.ctx.provider("job-manager")
        return None if manager is None else manager.arrays

    def _active(self, members: bool = True) -> list[Record]:
        """Return the active jobs; without members of arrays, the arrays themselves."""
        manager = self.ctx.provider("job-manager")
        if manager is None:
            return []
        jobs = manager.list_active()
        arrays = manager.arrays
        if members or not arrays:
            return [active_record(job, _summary) for job in jobs]
        of = arrays.of
        found = [active_record(job, _summary) for job in jobs if of(job.id) is None]
        return found + [active_array_record(array) for array in arrays.arrays.values()]

    def _waiting(self, arrays: Iterable[JobArray]) -> Iterator[Record]:
        """Yield the members of arrays that are no jobs yet."""
        for array in arrays:
            for number in IdSet.from_mask(array.waiting):
                yield waiting_record(array, member_id(array.id, number))

    @method(allow=ANYONE, streaming=True, name="list")
    async def list_jobs(self, request: Request) -> None:
        """Respond with {jobs: [...]} in pieces.

        `attrs`: the attributes wanted, ["all"] by default, which is all but `usage`. `max_entries`: 1000 by
        default, 0 for all. `since`: inactive jobs later than this only. `constraint`: a tree as in RFC 43;
        `userid`, `name`, `queue`, `states`, `results`, `id`, `hostlist` and `ranks` are short for one of that
        operator. `arrays`: tell of arrays instead of their members, with the attributes `members` (an idset)
        and `counts`; `array`: only of the members of this one.
        """
        attrs, used = _attrs(request)
        limit = request.get("max_entries", int, DEFAULT_ENTRIES)
        if limit < 0:
            raise BournError("job-list.list: max_entries must be 0 or more", errno.EPROTO)
        constraint = _constraint(request)
        matches = compile_constraint(constraint)
        since = request.get("since", float, 0.0)
        piece: list[Record] = []
        array = request.get("array", int, None)
        if array is not None:
            found = self._members(array, constraint, matches, since)
        elif request.get("arrays", bool, False):
            found = self._all_arrays(constraint, matches, since)
        else:
            found = self._all(constraint, matches, since)
        for count, record in enumerate(found, 1):
            piece.append(self._answer(record, attrs, used))
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
        arrays = self._arrays
        if arrays:
            yield from filter(matches, self._waiting(arrays.arrays.values()))
        yield from self._ended(narrow(JobQuery(since=since), constraint), matches, told)

    def _ended(
        self, query: JobQuery | None, matches: Callable[[Record], bool], told: set[int]
    ) -> Iterator[Record]:
        """Yield the inactive jobs that a query finds, the latest first; None finds none."""
        for row in () if query is None else self._store.query_jobs(query):
            if row.id not in told and matches(record := inactive_record(row)):
                yield record

    def _members(
        self, id: int, constraint: dict[str, Any], matches: Callable[[Record], bool], since: float
    ) -> Iterator[Record]:
        """Yield the members of one array: those that are jobs, by id, then those that are none yet."""
        array = self._arrays.arrays.get(id) if self._arrays else None
        row = array or self._ended_array(id)
        if row is None:
            raise BournError(f"there is no job array {JobID(id)}", errno.ENOENT)
        first, last = row.id, row.last
        active = [record for record in self._active() if first < record["id"] <= last]
        yield from filter(matches, sorted(active, key=order))
        if array is not None:
            yield from filter(matches, self._waiting([array]))
        query = narrow(JobQuery(since=since, min_id=first + 1, max_id=last), constraint)
        yield from self._ended(query, matches, {record["id"] for record in active})

    def _all_arrays(
        self, constraint: dict[str, Any], matches: Callable[[Record], bool], since: float
    ) -> Iterator[Record]:
        """Yield jobs and arrays, no members, in the order of `_all`."""
        active = sorted(self._active(members=False), key=order)
        told = {record["id"] for record in active}
        yield from filter(matches, active)
        query = narrow(JobQuery(since=since, members=False), constraint)
        if query is None:
            return
        ended = sorted(self._store.arrays(active=False), key=lambda row: row.t_inactive)
        for job in self._store.query_jobs(query):
            while ended and ended[-1].t_inactive >= job.t_inactive:
                yield from filter(matches, self._ended_records(ended.pop(), since, told))
            if job.id not in told and matches(record := inactive_record(job)):
                yield record
        while ended:
            yield from filter(matches, self._ended_records(ended.pop(), since, told))

    def _ended_records(self, row: ArrayRow, since: float, told: set[int]) -> Iterator[Record]:
        if row.t_inactive > since and row.id not in told:
            yield inactive_array_record(row, counts_of(row, self._store))

    def _ended_array(self, id: int) -> ArrayRow | None:
        row = self._store.array(id)
        return row if row is not None and row.t_inactive else None

    @method(allow=ANYONE, name="list-id")
    def list_id(self, request: Request) -> dict[str, Any]:
        """Respond {job} of `id`, or {jobs} of `ids`, in that order; ENOENT names a job that isn't there."""
        attrs, used = _attrs(request)
        ids = request.get("ids", list, None)
        if ids is None:
            return {"job": self._answer(self._one(request.get("id", int)), attrs, used)}
        if not all(is_int(i) for i in ids):
            raise BournError("job-list.list-id: 'ids' must be numbers", errno.EPROTO)
        return {"jobs": [self._answer(self._one(i), attrs, used) for i in ids]}

    def _answer(self, record: Record, attrs: frozenset[str] | None, used: bool) -> Record:
        """Return what was asked for of a job."""
        if used and "t_run" in record and (found := usage(self._store, record["id"])) is not None:
            record = {**record, "usage": found}
        return project(record, attrs)

    def _one(self, jobid: int) -> Record:
        manager = self.ctx.provider("job-manager")
        job = manager.engine.jobs.get(jobid) if manager is not None else None
        if job is not None:
            return active_record(job, _summary)
        arrays = self._arrays
        if arrays and jobid in arrays.arrays:
            return active_array_record(arrays.arrays[jobid])
        if arrays and (array := arrays.waiting_in(jobid)) is not None:
            return waiting_record(array, jobid)
        row = self._store.inactive_job(jobid)
        if row is None:
            ended = self._ended_array(jobid)
            if ended is not None:
                return inactive_array_record(ended, counts_of(ended, self._store))
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
        for array in self._arrays.arrays.values() if self._arrays else ():
            for tally in _tallies(total, queues, array.facts.queue):
                tally.state(int(State.SCHED), 0, array.waiting.bit_count())
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


def _attrs(request: Request) -> tuple[frozenset[str] | None, bool]:
    """Return the attributes that are wanted, None for all, and whether `usage` is, which is read apart."""
    attrs = request.get("attrs", list, None)
    if attrs is None:
        return None, False
    for name in attrs:
        if not isinstance(name, str) or name not in (ATTRS | {"all"}):
            raise BournError(f"job-list: no attribute '{name}'{suggest(str(name), ATTRS)}")
    return None if "all" in attrs else frozenset(attrs), "usage" in attrs


def _constraint(request: Request) -> dict[str, Any]:
    parts = [request.get("constraint", dict, {})]
    payload = request.payload or {}
    for name in FILTERS:
        value = payload.get(name)
        if value is not None and value != []:
            parts.append({name: value if isinstance(value, list) else [value]})
    return {"and": parts}
