"""Reads: on the loop, by a connection of their own that sees what is committed.

Every query is run to its end before control goes back, so that none holds a snapshot, and with it the
write-ahead log, while its caller waits. Long results are read in chunks by key.
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs.store import (
    EVENTLOG,
    ArrayRow,
    JobCount,
    JobQuery,
    JobRecord,
    KvsEntry,
    KvsNamespace,
    LogRow,
    NewJob,
)
from bourn_plugins.kvs.tree import APPEND, GONE, KINDS, normalize

from .kvs_table import LATEST, concat, no_namespace
from .schema import ARRAY_SQL, JOBSPEC_SQL, NEWJOB_SQL, RECORD_SQL

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

CHUNK = 512
LOG_CHUNK = 256
FIRST_CHUNK = 8
CHUNK_SIZE = 1 << 20
_NOW = (1 << 63) - 1


class Reader:
    """The read half of the store."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._names: dict[str, int] = {}

    def one(self, sql: str, *args: Any) -> Any:
        """Return a query's first row, or None."""
        rows = self.db.execute(sql, args).fetchall()
        return rows[0] if rows else None

    def meta(self, key: str) -> Any | None:
        """See `Store.meta`."""
        row = self.one("SELECT value FROM meta WHERE key = ?", key)
        try:
            return json.loads(row[0]) if row else None
        except ValueError:
            raise BournError(f"the job store is corrupt: its note '{key}' can't be read", errno.EIO) from None

    def max_jobid(self) -> int:
        """See `Store.max_jobid`."""
        row = self.one("SELECT (SELECT max(id) FROM job), (SELECT max(last) FROM array)")
        return max(row[0] or 0, row[1] or 0, self.meta("max-jobid") or 0)

    # Jobs.

    def next_jobid(self, at_least: int) -> int | None:
        """See `Store.next_jobid`."""
        row = self.one("SELECT min(id) FROM job WHERE id >= ?", at_least)
        return row[0] if row else None

    def active_jobs(self) -> Iterator[NewJob]:
        """See `Store.active_jobs`. Equal texts are one object."""
        texts: dict[bytes, bytes] = {}
        environments: dict[bytes, tuple[bytes, bytes]] = {}
        sql = f"{NEWJOB_SQL} JOIN active ON active.id = job.id WHERE job.id > ? ORDER BY job.id LIMIT {CHUNK}"
        last = -1
        while rows := self.db.execute(sql, (last,)).fetchall():
            last = rows[-1][0]
            for row in rows:
                text = texts.setdefault(row[5], row[6])
                environment = environments.setdefault(row[-2], row[-2:]) if row[-2] else None
                yield NewJob._make((*row[:6], text, *row[7:-2], environment))

    def job(self, jobid: int) -> NewJob | None:
        """See `Store.job`."""
        row = self.one(f"{NEWJOB_SQL} WHERE job.id = ?", jobid)
        return NewJob._make(_paired(row)) if row else None

    def jobspec(self, jobid: int) -> dict[str, Any] | None:
        """See `Store.jobspec`."""
        row = self.one(JOBSPEC_SQL, jobid)
        return None if row is None else decode_jobspec(*row)

    def job_by_key(self, userid: int, idem_key: str) -> int | None:
        """See `Store.job_by_key`."""
        where = "WHERE userid = ? AND idem_key = ?"
        sql = f"SELECT id FROM job {where} UNION ALL SELECT id FROM array {where}"
        row = self.one(sql, userid, idem_key, userid, idem_key)
        return row[0] if row else None

    def arrays(self, *, active: bool | None = None) -> list[ArrayRow]:
        """See `Store.arrays`."""
        where = "" if active is None else f" WHERE t_inactive {'=' if active else '>'} 0"
        rows = self.db.execute(f"{ARRAY_SQL}{where} ORDER BY array.id").fetchall()
        return [ArrayRow._make(_paired(row)) for row in rows]

    def array(self, id: int) -> ArrayRow | None:
        """See `Store.array`."""
        row = self.one(f"{ARRAY_SQL} WHERE array.id = ?", id)
        return ArrayRow._make(_paired(row)) if row else None

    def array_jobs(self, array: int, last: int) -> list[int]:
        """See `Store.array_jobs`."""
        sql = "SELECT id FROM job WHERE id > ? AND id <= ? ORDER BY id"
        return [row[0] for row in self.db.execute(sql, (array, last)).fetchall()]

    def array_results(self, array: int, last: int) -> dict[int, int]:
        """See `Store.array_results`."""
        sql = "SELECT result, count(*) FROM done WHERE id > ? AND id <= ? GROUP BY result"
        return dict(self.db.execute(sql, (array, last)).fetchall())

    # Logs.

    def _name(self, log: str) -> int | None:
        if log not in self._names:
            self._names = {name: i for i, name in self.db.execute("SELECT id, name FROM logname").fetchall()}
        return self._names.get(log)

    def events(self, jobid: int, log: str = EVENTLOG, skip: int = 0) -> Iterator[str]:
        """See `Store.events`."""
        name = self._name(log)
        sql = (
            "SELECT seq, data FROM log WHERE jobid = ? AND name = ? AND seq > ? ORDER BY seq LIMIT ? OFFSET ?"
        )
        last, limit = 0, FIRST_CHUNK
        while rows := self.db.execute(sql, (jobid, name, last, limit, skip)).fetchall():
            last, skip = rows[-1][0], 0
            size = 0
            for row in rows:
                size += len(row[1])
                yield row[1]
            if len(rows) < limit:
                return
            # Rows of output may be of a megabyte each, those of an eventlog are of a line.
            limit = min(LOG_CHUNK, limit * 4) if size < CHUNK_SIZE else max(1, limit // 4)

    def log_rows(self, jobid: int, log: str) -> int:
        """See `Store.log_rows`."""
        sql = "SELECT count(*) FROM log WHERE jobid = ? AND name = ?"
        return int(self.one(sql, jobid, self._name(log))[0])

    def log_text(self, jobid: int, log: str) -> str | None:
        """See `Store.log_text`."""
        return "".join(self.events(jobid, log)) or None

    def log_last(self, jobid: int, log: str) -> str | None:
        """See `Store.log_last`."""
        row = self.one(
            "SELECT data FROM log WHERE jobid = ? AND name = ? ORDER BY seq DESC LIMIT 1",
            jobid,
            self._name(log),
        )
        return row[0] if row else None

    def log_names(self, jobid: int) -> list[str]:
        """See `Store.log_names`."""
        rows = self.db.execute(
            "SELECT DISTINCT logname.name FROM log JOIN logname ON logname.id = log.name WHERE jobid = ?",
            (jobid,),
        ).fetchall()
        return sorted(row[0] for row in rows)

    def active_events(self, log: str = EVENTLOG) -> Iterator[tuple[int, str]]:
        """See `Store.active_events`."""
        name = self._name(log)
        ids = "SELECT id FROM active WHERE id > ? ORDER BY id LIMIT 128"
        last = -1
        while found := self.db.execute(ids, (last,)).fetchall():
            first, last = found[0][0], found[-1][0]
            yield from self.db.execute(
                "SELECT jobid, data FROM log WHERE jobid IN (SELECT id FROM active WHERE id BETWEEN ? AND ?)"
                " AND name = ? ORDER BY jobid, seq",
                (first, last, name),
            ).fetchall()

    def journal(self, since_seq: int = 0, limit: int = 0) -> Iterator[LogRow]:
        """See `Store.journal`."""
        left = limit or _NOW
        while left > 0:
            rows = self.db.execute(
                "SELECT seq, jobid, logname.name, data FROM log JOIN logname ON logname.id = log.name"
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (since_seq, min(left, LOG_CHUNK)),
            ).fetchall()
            if not rows:
                return
            yield from map(LogRow._make, rows)
            since_seq = rows[-1][0]
            left -= len(rows)

    # Inactive jobs.

    def query_jobs(self, query: JobQuery) -> Iterator[JobRecord]:
        """See `Store.query_jobs`."""
        where, args = _conditions(query)
        sql = (
            f"SELECT {RECORD_SQL} FROM done JOIN job ON job.id = done.id"
            f" WHERE (done.t_inactive, done.id) < (?, ?){where}"
            " ORDER BY done.t_inactive DESC, done.id DESC LIMIT ?"
        )
        at: tuple[float, int] = (1e300, _NOW)
        left = query.limit or _NOW
        while left > 0:
            want = min(left, CHUNK)
            rows = self.db.execute(sql, (*at, *args, want)).fetchall()
            yield from map(JobRecord._make, rows)
            if len(rows) < want:
                return
            left -= len(rows)
            at = (rows[-1][_T_INACTIVE], rows[-1][0])

    def inactive_job(self, jobid: int) -> JobRecord | None:
        """See `Store.inactive_job`."""
        row = self.one(f"SELECT {RECORD_SQL} FROM done JOIN job ON job.id = done.id WHERE done.id = ?", jobid)
        return JobRecord._make(row) if row else None

    def job_stats(self) -> list[JobCount]:
        """See `Store.job_stats`."""
        rows = self.db.execute(
            "SELECT queue, result, CASE WHEN result = 2 THEN exception_type END AS e, count(*)"
            " FROM done JOIN job ON job.id = done.id GROUP BY queue, result, e"
        ).fetchall()
        return [JobCount._make(row) for row in rows]

    def purgeable(
        self, *, before: float | None = None, keep: int | None = None, limit: int = 1000
    ) -> list[int]:
        """See `Store.purgeable`."""
        ids: dict[int, None] = {}
        if before is not None:
            sql = "SELECT id FROM done WHERE t_inactive < ? ORDER BY t_inactive LIMIT ?"
            ids.update(dict.fromkeys(row[0] for row in self.db.execute(sql, (before, limit)).fetchall()))
        if keep is not None and len(ids) < limit:
            over = min(self.one("SELECT count(*) FROM done")[0] - keep, limit)
            sql = "SELECT id FROM done ORDER BY t_inactive LIMIT ?"
            ids.update(dict.fromkeys(row[0] for row in self.db.execute(sql, (max(over, 0),)).fetchall()))
        return list(ids)

    def resource_events(self) -> Iterator[str]:
        """See `Store.resource_events`."""
        return iter([row[0] for row in self.db.execute("SELECT data FROM resource ORDER BY seq").fetchall()])

    # KVS.

    def kvs_namespaces(self) -> list[KvsNamespace]:
        """See `Store.kvs_namespaces`."""
        sql = "SELECT name, owner, flags, version, oldest FROM kvs_namespace ORDER BY name"
        return [KvsNamespace._make(row) for row in self.db.execute(sql).fetchall()]

    def kvs_namespace(self, name: str) -> KvsNamespace | None:
        """See `Store.kvs_namespace`."""
        row = self.one("SELECT name, owner, flags, version, oldest FROM kvs_namespace WHERE name = ?", name)
        return KvsNamespace._make(row) if row else None

    def _at(self, namespace: str, version: int | None) -> tuple[int, int, int]:
        """Return a namespace's number, the version to look at, and the current one."""
        row = self.one("SELECT id, version, oldest FROM kvs_namespace WHERE name = ?", namespace)
        if row is None:
            raise no_namespace(namespace)
        if version is None:
            return row[0], row[1], row[1]
        if not row[2] <= version <= row[1]:
            raise BournError(
                f"KVS namespace '{namespace}' has no version {version}: {row[2]} to {row[1]} are kept"
            )
        return row[0], version, row[1]

    def kvs_get(self, namespace: str, key: str, version: int | None = None) -> KvsEntry | None:
        """See `Store.kvs_get`."""
        ns, at, _ = self._at(namespace, version)
        key = normalize(key)
        if key == ".":
            return KvsEntry(".", "dir", None, at)
        directory, _, name = key.rpartition(".")
        row = self.one(LATEST, ns, directory, name, at)
        if row is None or row[0] == GONE:
            return None
        return self._entry(ns, directory, name, *row)

    def _entry(self, ns: int, directory: str, name: str, kind: int, value: Any, version: int) -> KvsEntry:
        if kind == APPEND:
            rows = self.db.execute(
                "SELECT value FROM kvs WHERE ns = :ns AND dir = :dir AND name = :name AND version <= :at"
                " AND version >= (SELECT coalesce(max(version), 0) FROM kvs"
                " WHERE ns = :ns AND dir = :dir AND name = :name"
                f" AND version <= :at AND kind != {APPEND}) ORDER BY version",
                {"ns": ns, "dir": directory, "name": name, "at": version},
            ).fetchall()
            value = concat([row[0] for row in rows])
        return KvsEntry(name, KINDS[kind], value, version)

    def kvs_dir(self, namespace: str, key: str, version: int | None = None) -> list[KvsEntry]:
        """See `Store.kvs_dir`."""
        ns, at, _ = self._at(namespace, version)
        key = normalize(key)
        directory = "" if key == "." else key
        rows = self.db.execute(
            "SELECT name, kind, value, max(version) FROM kvs WHERE ns = ? AND dir = ? AND version <= ?"
            " GROUP BY name ORDER BY name",
            (ns, directory, at),
        ).fetchall()
        return [self._entry(ns, directory, *row) for row in rows if row[1] != GONE]


_T_INACTIVE = JobRecord._fields.index("t_inactive")


def decode_jobspec(
    text: str | bytes, overrides: str | None, environment: str | bytes | None
) -> dict[str, Any]:
    """Return a jobspec from the texts that are stored of it."""
    spec: dict[str, Any] = json.loads(text)
    if environment:
        spec["attributes"]["system"]["environment"] = json.loads(environment)
    if overrides:
        from bourn.model.overrides import apply_overrides

        spec = apply_overrides(spec, json.loads(overrides))
    return spec


def _paired(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make one of the last two columns, the digest and the text of an environment."""
    return (*row[:-2], row[-2:] if row[-2] else None)


def _conditions(query: JobQuery) -> tuple[str, list[Any]]:
    where = ""
    args: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        nonlocal where
        where += f" AND {condition}"
        args.extend(values)

    if query.since:
        add("done.t_inactive > ?", query.since)
    if query.results:
        add("(done.result & ?) != 0", query.results)
    if query.userid is not None:
        add("job.userid = ?", query.userid)
    if query.name is not None:
        add("job.name = ?", query.name)
    if query.queues:
        add(f"job.queue IN ({','.join('?' * len(query.queues))})", *query.queues)
    if query.min_id is not None:
        add("done.id >= ?", query.min_id)
    if query.max_id is not None:
        add("done.id <= ?", query.max_id)
    if not query.members:
        before = "SELECT last FROM array WHERE array.id < done.id ORDER BY array.id DESC LIMIT 1"
        add(f"done.id > coalesce(({before}), 0)")
    return where, args
