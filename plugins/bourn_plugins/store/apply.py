"""Turn batches into SQL, inside the transaction that the writer has begun.

Rows go in many with a statement, in prepared shapes of 256, 128, 64 ... rows: a third of the time that one
statement a row takes, and few steps, at each of which the sqlite3 module gives up the interpreter lock.
"""

from __future__ import annotations

import errno
import json
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from bourn.errors import BournError

from .kvs_table import run_kvs
from .schema import ARRAY_COLUMNS, ARRAY_UPDATABLE, DONE_COLUMNS, JOB_COLUMNS, LOG_NAMES, UPDATABLE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from bourn.hookspecs.store import ArrayRow, Batch, NewJob

T = TypeVar("T")

SHAPES = (256, 128, 64, 32, 16, 8, 4, 2, 1)
SPEC_CACHE = 4096


def shaped(rows: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    """Cut rows into pieces whose lengths are prepared shapes; yield (length, piece)."""
    start = 0
    left = len(rows)
    for shape in SHAPES:
        while left >= shape:
            yield shape, rows[start : start + shape] if shape < len(rows) else rows
            start += shape
            left -= shape


class Inserter:
    """Inserts rows of one table, many with a statement."""

    def __init__(self, table: str, columns: Sequence[str], verb: str = "INSERT") -> None:
        row = f"({','.join('?' * len(columns))})"
        head = f"{verb} INTO {table} ({','.join(columns)}) VALUES "
        self._sql = {n: head + ",".join([row] * n) for n in SHAPES}

    def __call__(self, db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert the rows."""
        for shape, piece in shaped(rows):
            db.execute(self._sql[shape], list(chain.from_iterable(piece)))


_insert_job = Inserter("job", JOB_COLUMNS)
_insert_array = Inserter("array", ARRAY_COLUMNS)
_insert_active = Inserter("active", ("id",))
_insert_log = Inserter("log", ("jobid", "name", "data"))
_insert_done = Inserter("done", DONE_COLUMNS)
_insert_spec = Inserter("spec", ("id", "hash", "data", "environment"))
_insert_environment = Inserter("environment", ("id", "hash", "data"))
_insert_resource = Inserter("resource", ("data",))


def for_ids(db: sqlite3.Connection, sql: str, ids: Sequence[Any]) -> list[Any]:
    """Run a statement that ends in `... IN` over any number of ids; return all rows."""
    out: list[Any] = []
    for shape, piece in shaped(ids):
        out += db.execute(f"{sql} ({','.join('?' * shape)})", piece).fetchall()
    return out


class Applier:
    """Writes batches; remembers which jobspecs and log names the database already has.

    After a rollback `forget()` must be called: what it remembers may have been undone.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.specs: dict[bytes, int] = {}
        self.names: dict[str, int] = {}
        self.next_spec = 0
        self.jobs = 0
        self.forget()

    def forget(self) -> None:
        """Start again from what is committed."""
        self.specs.clear()
        self.names = {name: i for i, name in self.db.execute("SELECT id, name FROM logname").fetchall()}
        self.next_spec = (self.db.execute("SELECT max(id) FROM spec").fetchone()[0] or 0) + 1

    def apply(self, batches: Sequence[Batch]) -> None:
        """Write the batches in order. Raises sqlite3.Error or BournError; the caller rolls back."""
        if len(batches) > 1 and not any(b.purge or b.updates for b in batches):
            # Rows of different batches go into the same statements; their order within a table is kept.
            self._apply(
                list(chain.from_iterable(b.jobs for b in batches)),
                list(chain.from_iterable(b.logs for b in batches)),
                list(chain.from_iterable(b.done for b in batches)),
                list(chain.from_iterable(b.resource for b in batches)),
            )
            for batch in batches:
                self._rare(batch)
        else:
            for batch in batches:
                self._apply(batch.jobs, batch.logs, batch.done, batch.resource)
                self._rare(batch)

    def _apply(
        self,
        jobs: Sequence[NewJob],
        logs: Sequence[tuple[int, str, str]],
        done: Sequence[tuple[Any, ...]],
        resource: Sequence[str],
    ) -> None:
        db = self.db
        if jobs:
            specs = self._spec_ids(jobs)
            _insert_job(db, [(*j[:5], specs[j[5]], *j[7:-1]) for j in jobs])
            _insert_active(db, [j[:1] for j in jobs])
        if logs:
            names = self.names
            try:
                rows = [(jobid, names[name], data) for jobid, name, data in logs]
            except KeyError:
                self._add_names(name for _, name, _ in logs)
                rows = [(jobid, names[name], data) for jobid, name, data in logs]
            _insert_log(db, rows)
        if done:
            _insert_done(db, done)
            for_ids(db, "DELETE FROM active WHERE id IN", [d[0] for d in done])
        if resource:
            _insert_resource(db, [(line,) for line in resource])

    def _spec_ids(self, owners: Sequence[NewJob | ArrayRow]) -> dict[bytes, int]:
        """Return the numbers of the jobspecs of jobs or arrays, by digest; new ones are stored."""
        specs = self.specs
        new = {owner.spec_hash: owner for owner in owners if owner.spec_hash not in specs}
        if not new:
            return specs
        if len(specs) + len(new) > SPEC_CACHE:
            specs.clear()
            new = {owner.spec_hash: owner for owner in owners}
        for digest, spec in for_ids(self.db, "SELECT hash, id FROM spec WHERE hash IN", list(new)):
            specs[digest] = spec
            del new[digest]
        if new:
            given = [owner.environment for owner in new.values()]
            environments = self._environment_ids(dict(filter(None, given)))
            rows = [
                (self.next_spec + i, owner.spec_hash, owner.spec_json, at and environments[at[0]])
                for i, (owner, at) in enumerate(zip(new.values(), given, strict=True))
            ]
            self.next_spec += len(rows)
            _insert_spec(self.db, rows)
            specs.update((row[1], row[0]) for row in rows)
        return specs

    def _environment_ids(self, texts: dict[bytes, bytes]) -> dict[bytes, int]:
        """Return the numbers of environments, given by digest and text; new ones are stored."""
        if not texts:
            return {}
        found = dict(for_ids(self.db, "SELECT hash, id FROM environment WHERE hash IN", list(texts)))
        new = [digest for digest in texts if digest not in found]
        if new:
            at = (self.db.execute("SELECT max(id) FROM environment").fetchone()[0] or 0) + 1
            found.update((digest, at + i) for i, digest in enumerate(new))
            _insert_environment(self.db, [(found[digest], digest, texts[digest]) for digest in new])
        return found

    def _add_names(self, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            if name not in self.names:
                row = self.db.execute(
                    "INSERT INTO logname (name) VALUES (?) RETURNING id", (name,)
                ).fetchone()
                self.names[name] = row[0]

    def _arrays(self, arrays: Sequence[ArrayRow]) -> None:
        specs = self._spec_ids(arrays)
        _insert_array(self.db, [(*row[:6], *row[8:-1], specs[row[6]]) for row in arrays])

    def _update(self, table: str, updatable: frozenset[str], id: int, columns: dict[str, Any]) -> None:
        wrong = set(columns) - updatable
        if wrong:
            raise BournError(f"{table} update: {', '.join(sorted(wrong))} can't be updated")
        sets = ", ".join(f"{c} = ?" for c in columns)
        if sets:
            self.db.execute(f"UPDATE {table} SET {sets} WHERE id = ?", (*columns.values(), id))

    def _rare(self, batch: Batch) -> None:
        db = self.db
        if batch.arrays:
            self._arrays(batch.arrays)
        for change in batch.array_updates:
            self._update("array", ARRAY_UPDATABLE, *change)
        for update in batch.updates:
            self._update("job", UPDATABLE, *update)
        for key, value in batch.meta.items():
            if value is None:
                db.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
        for txn in batch.kvs:
            run_kvs(db, txn)
        if batch.purge:
            self._purge(batch.purge)

    def _purge(self, ids: Sequence[int]) -> None:
        db = self.db
        active = for_ids(db, "SELECT id FROM active WHERE id IN", ids)
        if active:
            raise BournError(f"job {active[0][0]} is active, it can't be purged", errno.EBUSY)
        # Ids must never be used again, even if the newest job is purged.
        db.execute(
            "INSERT OR REPLACE INTO meta SELECT 'max-jobid', max(m) FROM (SELECT max(id) AS m FROM job"
            " UNION ALL SELECT max(last) FROM array"
            " UNION ALL SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'max-jobid')"
        )
        db.execute(
            "INSERT INTO meta VALUES ('jobs-purged', :count)"
            " ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + :count AS TEXT)",
            {"count": str(len(for_ids(db, "SELECT 1 FROM done WHERE id IN", ids)))},
        )
        specs = {row[0] for row in for_ids(db, "SELECT spec FROM job WHERE id IN", ids)}
        for table, column in (("log", "jobid"), ("done", "id"), ("job", "id")):
            for_ids(db, f"DELETE FROM {table} WHERE {column} IN", ids)
        emptied = db.execute(
            "DELETE FROM array WHERE t_inactive > 0 AND NOT EXISTS"
            " (SELECT 1 FROM job WHERE job.id BETWEEN array.id AND array.last) RETURNING spec"
        )
        specs.update(row[0] for row in emptied.fetchall())
        unused = for_ids(
            db,
            "SELECT id, environment FROM spec WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.spec = spec.id)"
            " AND NOT EXISTS (SELECT 1 FROM array WHERE array.spec = spec.id) AND id IN",
            list(specs),
        )
        for_ids(db, "DELETE FROM spec WHERE id IN", [spec for spec, _ in unused])
        for_ids(
            db,
            "DELETE FROM environment WHERE NOT EXISTS"
            " (SELECT 1 FROM spec WHERE spec.environment = environment.id) AND id IN",
            list({environment for _, environment in unused if environment is not None}),
        )
        self.specs.clear()
        names = [f"job-{i}" for i in ids]
        for (ns,) in for_ids(db, "SELECT id FROM kvs_namespace WHERE name IN", names):
            for table, column in (("kvs", "ns"), ("kvs_old", "ns"), ("kvs_namespace", "id")):
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (ns,))


def setup_names(db: sqlite3.Connection) -> None:
    """Give the usual log names their small numbers, in a new database."""
    db.executemany("INSERT INTO logname (name) VALUES (?)", [(name,) for name in LOG_NAMES])
