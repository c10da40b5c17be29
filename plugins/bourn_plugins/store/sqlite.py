"""The stock store: an SQLite database with a write-ahead log.

One that isn't durable is the same code over files in the run directory that are never synced: they live in
the kernel's cache, which may put them off to the disk when memory is short, and go when the broker ends.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import trio

from bourn.errors import BournError

from .apply import Applier
from .archive import load_archive, write_archive
from .lockfile import InstanceLock
from .opening import connect, free_pages, open_reader, open_writer, vacuum, wal_size
from .read import Reader
from .schema import DB_NAME
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bourn.hookspecs.store import Batch, StoreOptions

SYNCHRONOUS = ("normal", "full", "off")


class SqliteStore(Reader):
    """A `bourn.hookspecs.store.Store`."""

    def __init__(self, options: StoreOptions, *, durable: bool = True) -> None:
        if options.synchronous not in SYNCHRONOUS:
            raise BournError(
                f"[store] synchronous: '{options.synchronous}' is none of {', '.join(SYNCHRONOUS)}"
            )
        self.durable = durable
        self._lock: InstanceLock | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        try:
            if durable:
                directory = options.directory
                self._lock = InstanceLock(directory)
            else:
                self._temporary = tempfile.TemporaryDirectory(prefix="store-", dir=options.directory)
                directory = Path(self._temporary.name)
            self.path = directory / DB_NAME
            synchronous = options.synchronous if durable else "off"
            self._writer_db = open_writer(self.path, synchronous)
            if self._lock is not None:
                self._lock.claim()
        except BaseException:
            self._release()
            raise
        super().__init__(open_reader(self.path))
        applier = Applier(self._writer_db)
        self._writer = Writer(
            self._writer_db, self.path, applier, sync=synchronous == "full", soon=options.soon
        )
        self._applier = applier

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
        if self._temporary is not None:
            self._temporary.cleanup()

    def write(self, batch: Batch, done: Callable[[BournError | None], None] | None = None) -> None:
        """See `Store.write`."""
        self._writer.write(batch, done)

    async def commit(self, batch: Batch) -> None:
        """See `Store.commit`."""
        finished = trio.Event()
        outcome: list[BournError | None] = []

        def done(error: BournError | None) -> None:
            outcome.append(error)
            finished.set()

        self.write(batch, done)
        await finished.wait()
        if outcome[0] is not None:
            raise outcome[0]

    def stats(self) -> dict[str, Any]:
        """See `Store.stats`."""
        writer = self._writer
        pages, free, page = (
            self.one(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return {
            "path": str(self.path),
            "durable": self.durable,
            "batches": writer.batches,
            "commits": writer.commits,
            "failures": writer.failures,
            "checkpoints": writer.checkpoints,
            "wal-bytes": wal_size(self.path),
            "db-bytes": pages * page,
            "free-bytes": free * page,
            "active-jobs": self.one("SELECT count(*) FROM active")[0],
            "inactive-jobs": self.one("SELECT count(*) FROM done")[0],
        }

    async def check(self) -> list[str]:
        """See `Store.check`."""
        found: list[str] = []

        def look() -> None:
            db = connect(self.path, "rw")
            try:
                found.extend(row[0] for row in db.execute("PRAGMA integrity_check").fetchall())
                found.extend(_inconsistencies(db))
            finally:
                db.close()

        self._writer.keep_wal += 1
        try:
            await trio.to_thread.run_sync(look)
        finally:
            self._writer.keep_wal -= 1
        return [line for line in found if line != "ok"]

    async def checkpoint(self) -> None:
        """See `Store.checkpoint`."""

        def tidy() -> None:
            db = self._writer_db
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if free_pages(db):
                vacuum(db)
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        await self._writer.run(tidy)

    async def dump(self) -> AsyncIterator[bytes]:
        """See `Store.dump`."""
        db = open_reader(self.path)
        self._writer.keep_wal += 1
        try:
            for chunk in write_archive(db):
                yield chunk
                await trio.lowlevel.checkpoint()
        finally:
            self._writer.keep_wal -= 1
            db.close()

    async def restore(self, file: IO[bytes]) -> dict[str, int]:
        """See `Store.restore`."""
        counts: dict[str, int] = {}

        def load() -> None:
            counts.update(load_archive(self._writer_db, file))
            self._applier.forget()

        await self._writer.run(load)
        return counts

    async def close(self) -> None:
        """See `Store.close`."""
        await self._writer.close()
        self.db.close()
        self._writer_db.close()
        self._release()


def _inconsistencies(db: Any) -> list[str]:
    """Return what the tables say about one another that can't be."""
    out = []
    for text, sql in (
        ("jobs without a jobspec", "SELECT count(*) FROM job WHERE spec NOT IN (SELECT id FROM spec)"),
        (
            "jobspecs without their environment",
            "SELECT count(*) FROM spec WHERE environment IS NOT NULL"
            " AND environment NOT IN (SELECT id FROM environment)",
        ),
        (
            "jobs neither active nor inactive, or both",
            "SELECT count(*) FROM job WHERE (id IN (SELECT id FROM active)) = (id IN (SELECT id FROM done))",
        ),
        ("ends of unknown jobs", "SELECT count(*) FROM done WHERE id NOT IN (SELECT id FROM job)"),
        ("logs of unknown jobs", "SELECT count(*) FROM log WHERE jobid NOT IN (SELECT id FROM job)"),
        (
            "keys of unknown namespaces",
            "SELECT count(*) FROM kvs WHERE ns NOT IN (SELECT id FROM kvs_namespace)",
        ),
    ):
        count = db.execute(sql).fetchone()[0]
        if count:
            out.append(f"{count} {text}")
    return out


def open_sqlite(options: StoreOptions) -> SqliteStore:
    """Open the store in a state directory."""
    return SqliteStore(options)
