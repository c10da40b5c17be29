"""The "memory" backend: a database that ends with the broker, and beside it the jobs that only pass through.

A job that a parent instance has handed down is kept by the parent, with all that becomes of it. Here it is
needed while it is active, so it's held as it came, without SQL, and forgotten at its end: an instance through
which millions of jobs go doesn't grow. One whose logs get long goes into the database like any other.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING, Any

from bourn.hookspecs.store import EVENTLOG, Batch, JobCount, NewJob
from bourn.model.flags import KEPT_ABOVE
from bourn.model.states import Result

from .read import decode_jobspec
from .sqlite import SqliteStore
from .writer import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bourn.errors import BournError
    from bourn.hookspecs.store import StoreOptions

LONG = 64 * 1024
"""Characters of logs that a job may have before it goes into the database."""


class Passing:
    """A job that is passing through."""

    __slots__ = ("logs", "row", "size")

    def __init__(self, row: NewJob) -> None:
        self.row = row
        self.logs: list[tuple[str, str]] = []
        """(log, lines) in the order in which they came."""
        self.size = 0

    def rows(self, log: str) -> list[str]:
        """Return the rows of one log."""
        return [lines for name, lines in self.logs if name == log]


class MemoryStore(SqliteStore):
    """A `bourn.hookspecs.store.Store` that isn't durable."""

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options, durable=False)
        self._passing: dict[int, Passing] = {}
        self._ids: set[int] = set()
        """Of those that pass through, including those of a batch that isn't committed yet."""
        self._passed: Counter[tuple[str | None, int, str | None]] = Counter()
        """How many have, by queue, result and the exception of those that failed."""

    def write(self, batch: Batch, done: Callable[[BournError | None], None] | None = None) -> None:
        """See `Store.write`. What the database needn't know is done with at once."""
        new = [row for row in batch.jobs if row.flags & KEPT_ABOVE]
        if not new and not self._ids:
            super().write(batch, done)
            return
        self._ids.update(row.id for row in new)
        long = self._grown(batch)
        rest = self._rest(batch, long)

        def committed(error: BournError | None) -> None:
            if error is None:
                self._take(batch, new, long)
            else:
                self._ids.difference_update(row.id for row in new)
            if done is not None:
                tell(done, error)

        if rest or not self._writer.idle:
            super().write(rest, committed)
        else:
            committed(None)

    def _grown(self, batch: Batch) -> set[int]:
        """Return those whose logs have become long."""
        passing = self._passing
        return {id for id, _, _ in batch.logs if id in passing and passing[id].size > LONG}

    def _rest(self, batch: Batch, long: set[int]) -> Batch:
        """Return what of a batch is for the database, with all that there is of `long` jobs."""
        mine = self._ids - long if long else self._ids
        before = [self._passing[id] for id in long]
        return Batch(
            jobs=[entry.row for entry in before] + [row for row in batch.jobs if row.id not in mine],
            logs=[(entry.row.id, *log) for entry in before for log in entry.logs]
            + [row for row in batch.logs if row[0] not in mine],
            done=[row for row in batch.done if row.id not in mine],
            updates=[row for row in batch.updates if row.id not in mine],
            arrays=batch.arrays,
            array_updates=batch.array_updates,
            purge=batch.purge,
            kvs=batch.kvs,
            resource=batch.resource,
            meta=batch.meta,
        )

    def _take(self, batch: Batch, new: list[NewJob], long: set[int]) -> None:
        passing = self._passing
        for id in long:
            self._forget(id)
        for row in new:
            passing[row.id] = Passing(row)
        for id, name, lines in batch.logs:
            entry = passing.get(id)
            if entry is not None:
                entry.logs.append((name, lines))
                entry.size += len(lines)
        for id, columns in batch.updates:
            entry = passing.get(id)
            if entry is not None:
                entry.row = entry.row._replace(**columns)
        for last in batch.done:
            entry = passing.get(last.id)
            if entry is not None:
                kind = last.exception_type if last.result == Result.FAILED else None
                self._passed[entry.row.queue, last.result, kind] += 1
                self._forget(last.id)

    def _forget(self, id: int) -> None:
        self._ids.discard(id)
        self._passing.pop(id, None)

    # Reads

    def next_jobid(self, at_least: int) -> int | None:
        """See `Store.next_jobid`."""
        found = [id for id in self._passing if id >= at_least]
        stored = super().next_jobid(at_least)
        return min([*found, stored] if stored is not None else found, default=None)

    def active_jobs(self) -> Iterator[NewJob]:
        """See `Store.active_jobs`."""
        rows = sorted((entry.row for entry in self._passing.values()), key=_id)
        return heapq.merge(super().active_jobs(), rows, key=_id)

    def job(self, jobid: int) -> NewJob | None:
        """See `Store.job`."""
        entry = self._passing.get(jobid)
        return super().job(jobid) if entry is None else entry.row

    def jobspec(self, jobid: int) -> dict[str, Any] | None:
        """See `Store.jobspec`."""
        entry = self._passing.get(jobid)
        if entry is None:
            return super().jobspec(jobid)
        row = entry.row
        return decode_jobspec(row.spec_json, row.overrides, row.environment and row.environment[1])

    def events(self, jobid: int, log: str = EVENTLOG, skip: int = 0) -> Iterator[str]:
        """See `Store.events`."""
        entry = self._passing.get(jobid)
        return super().events(jobid, log, skip) if entry is None else iter(entry.rows(log)[skip:])

    def log_rows(self, jobid: int, log: str) -> int:
        """See `Store.log_rows`."""
        entry = self._passing.get(jobid)
        return super().log_rows(jobid, log) if entry is None else len(entry.rows(log))

    def log_last(self, jobid: int, log: str) -> str | None:
        """See `Store.log_last`."""
        entry = self._passing.get(jobid)
        if entry is None:
            return super().log_last(jobid, log)
        rows = entry.rows(log)
        return rows[-1] if rows else None

    def log_names(self, jobid: int) -> list[str]:
        """See `Store.log_names`."""
        entry = self._passing.get(jobid)
        return super().log_names(jobid) if entry is None else sorted({name for name, _ in entry.logs})

    def active_events(self, log: str = EVENTLOG) -> Iterator[tuple[int, str]]:
        """See `Store.active_events`."""
        rows = [(id, row) for id in sorted(self._passing) for row in self._passing[id].rows(log)]
        return heapq.merge(super().active_events(log), rows, key=_first)

    def job_stats(self) -> list[JobCount]:
        """See `Store.job_stats`. Those that have passed through count as well."""
        found = Counter({row[:3]: row.jobs for row in super().job_stats()})
        return [JobCount(*key, jobs) for key, jobs in (found + self._passed).items()]

    def stats(self) -> dict[str, Any]:
        """See `Store.stats`."""
        found = super().stats()
        found["active-jobs"] += len(self._passing)
        return found


def _id(row: NewJob) -> int:
    return row.id


def _first(row: tuple[int, str]) -> int:
    return row[0]


def open_memory(options: StoreOptions) -> MemoryStore:
    """Open a store that ends with the broker."""
    return MemoryStore(options)
