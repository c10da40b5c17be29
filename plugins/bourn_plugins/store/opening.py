"""Open a database file, or refuse it untouched."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from bourn._version import __version__
from bourn.errors import BournError

from .apply import setup_names
from .schema import (
    APPLICATION_ID,
    ARRAY_DDL,
    DDL,
    ENVIRONMENT_DDL,
    PAGE_SIZE,
    RETRIES_DDL,
    SCHEMA_VERSION,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"SQLite format 3\0"
_WAL_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_TABLES = re.findall(r"CREATE TABLE (\w+)", DDL)
INDEX_STEP = 32768
"""By how many bytes SQLite's shared index grows."""
QUICK_CHECK_BYTES = 16 << 20  # up to this size the check costs a few ms, so it is always made
WRITER_CACHE_KIB = 8192
READER_CACHE_KIB = 2048


def connect(path: Path, mode: str = "rwc") -> sqlite3.Connection:
    """Open a connection without implicit transactions; the caller sees to it that threads take turns."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=10,
    )


def check_header(path: Path) -> int:
    """Look at a file's first bytes; return the schema's version, 0 where there is no database. Raises
    BournError for a wrong one.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as f:
            head = f.read(100)
    except FileNotFoundError:
        size, head = 0, b""
    except OSError as e:
        raise BournError(f"{path}: {e.strerror}", e.errno) from e
    if not head:
        if wal_size(path):
            raise BournError(
                f"{path} is missing or empty, but what was last written to it is still in {path.name}-wal; "
                "it was left as it is",
                errno.EIO,
            )
        return 0
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise BournError(f"{path} is corrupt or not a database of Bourn; it was left as it is", errno.EINVAL)
    app = int.from_bytes(head[68:72], "big")
    if app != APPLICATION_ID:
        raise BournError(
            f"{path} belongs to another program (application id {app:#x}); it was left as it is", errno.EINVAL
        )
    version = int.from_bytes(head[60:64], "big")
    if version > SCHEMA_VERSION:
        raise BournError(
            f"{path} was written by a newer Bourn (schema {version}; this is {__version__}, "
            f"which knows up to {SCHEMA_VERSION}); it was left as it is",
            errno.EINVAL,
        )
    check_log(path)
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    wal = wal_size(path)
    if not wal and size < page * pages:
        raise BournError(
            f"{path} is corrupt: {size} bytes of {page * pages} are there; it was left as it is", errno.EIO
        )
    return version


def wal_size(path: Path) -> int:
    """Return the bytes in the write-ahead log; there are none after a clean end."""
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:
        return 0


def check_log(path: Path) -> None:
    """Refuse a write-ahead log that doesn't begin as one: SQLite would take it for an empty one, and all that
    was acknowledged since the database was last written for never said.

    One of zeros is what the loss of power leaves of a log that had not reached the disk.
    """
    try:
        with open(f"{path}-wal", "rb") as f:
            head = f.read(32)
    except OSError:
        return
    if len(head) < 32 or not any(head):
        return
    order: Literal["little", "big"] = "big" if head[3] & 1 else "little"
    first = second = 0
    for at in range(0, 24, 8):
        first = (first + int.from_bytes(head[at : at + 4], order) + second) & 0xFFFFFFFF
        second = (second + int.from_bytes(head[at + 4 : at + 8], order) + first) & 0xFFFFFFFF
    told = (int.from_bytes(head[24:28], "big"), int.from_bytes(head[28:], "big"))
    if head[:4] not in _WAL_MAGICS or told != (first, second):
        raise BournError(
            f"{path} is corrupt: {path.name}-wal, with what was last written to it, can't be read; "
            "it was left as it is",
            errno.EIO,
        )


def check_body(path: Path, version: int) -> None:
    """Check a database's tables, and its pages where that is cheap or called for, by a connection that
    writes nothing.
    """
    thorough = wal_size(path) or path.stat().st_size <= QUICK_CHECK_BYTES
    problems = []
    index = f"{path}-shm"
    indexed = os.path.exists(index)
    try:
        # Without a log to look into, SQLite needn't make one: we hold the lock, so nothing changes.
        db = connect(path, "ro" if wal_size(path) else "ro&immutable=1")
        try:
            there = {row[0] for row in db.execute("SELECT name FROM sqlite_schema")}
            missing = [name for name in _TABLES if name not in there and version == SCHEMA_VERSION]
            if missing:
                problems = [f"there is no table '{missing[0]}'"]
            elif thorough:
                problems = [row[0] for row in db.execute("PRAGMA quick_check(3)").fetchall()]
            else:
                problems = ["ok"]
        finally:
            db.close()
    except sqlite3.Error as e:
        problems = [str(e)]
    if problems != ["ok"]:
        if not indexed:
            with suppress(OSError):
                os.unlink(index)  # SQLite has made it to look into the log
        reason = " ".join(problems[0].split()) if problems else "no result"
        raise BournError(f"{path} is corrupt: {reason}; it was left as it is", errno.EIO)


def create(db: sqlite3.Connection) -> None:
    """Make the tables in an empty database."""
    db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("BEGIN IMMEDIATE")
    for statement in filter(str.strip, DDL.split(";")):
        db.execute(statement)
    setup_names(db)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    # Made in the old journal mode, so that the file itself, not only its log, says whose it is.
    db.execute("COMMIT")


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Bring a database up to date: version 1 knew neither arrays nor retries, 2 no environments.

    Jobspecs that it has keep their environments within them.
    """
    statements = ["ALTER TABLE spec ADD COLUMN environment INTEGER", *ENVIRONMENT_DDL.split(";")]
    if version == 1:
        statements += [*ARRAY_DDL.split(";"), f"ALTER TABLE done ADD COLUMN {RETRIES_DDL}"]
    db.execute("BEGIN IMMEDIATE")
    for statement in filter(str.strip, statements):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def open_writer(path: Path, synchronous: str) -> sqlite3.Connection:
    """Open, check and if need be create the database; return the connection that writes."""
    version = check_header(path)
    if version:
        check_body(path, version)
    try:
        # The log and its index get the mode of the database: jobs are their users' business.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as e:
        raise BournError(f"{path}: {e.strerror}", e.errno) from e
    with _set_up(path) as db:
        # A start doesn't wait for the disk: as long as nothing is acknowledged, nothing can be lost.
        db.execute("PRAGMA synchronous = OFF")
        if not version:
            create(db)
        db.execute("PRAGMA journal_mode = WAL")
        if 0 < version < SCHEMA_VERSION:
            upgrade(db, version)
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that only reads."""
    with _set_up(path, "rw") as db:
        db.execute("PRAGMA query_only = 1")
        db.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")
    return db


@contextmanager
def _set_up(path: Path, mode: str = "rwc") -> Iterator[sqlite3.Connection]:
    """Open a connection, which is closed again where the block fails."""
    try:
        db = connect(path, mode)
        try:
            yield db
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as e:
        raise describe(e, path) from e


def free_pages(db: sqlite3.Connection) -> int:
    """Return how many pages of the file hold nothing."""
    count: int = db.execute("PRAGMA freelist_count").fetchone()[0]
    return count


def vacuum(db: sqlite3.Connection, pages: int = 0) -> None:
    """Give free pages back to the file system, all of them or so many."""
    # The pragma makes a row without columns for every page, which only executescript steps through.
    db.executescript(f"PRAGMA incremental_vacuum({pages})")


def errno_of(error: sqlite3.Error) -> int:
    """Return the POSIX error number that comes nearest to a database error."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_NOMEM: errno.ENOMEM,
        sqlite3.SQLITE_BUSY: errno.EBUSY,
        sqlite3.SQLITE_LOCKED: errno.EBUSY,
        sqlite3.SQLITE_READONLY: errno.EROFS,
        sqlite3.SQLITE_PERM: errno.EACCES,
        sqlite3.SQLITE_CANTOPEN: errno.EACCES,
        sqlite3.SQLITE_CONSTRAINT: errno.EEXIST,
        sqlite3.SQLITE_TOOBIG: errno.EMSGSIZE,
    }.get(code, errno.EIO)


def describe(error: sqlite3.Error, path: Path) -> BournError:
    """Turn a database error into one that a user understands."""
    errnum = errno_of(error)
    if errnum == errno.EIO:
        # Some writes on a full disk (growing the shared index) are reported as plain I/O errors.
        try:
            disk = os.statvfs(path.parent)
            if disk.f_bavail * disk.f_frsize < INDEX_STEP + PAGE_SIZE:
                errnum = errno.ENOSPC
        except OSError:
            pass
    if errnum == errno.ENOSPC:
        return BournError(
            f"No space left on {path.parent}: the job store takes nothing new until some is freed", errnum
        )
    return BournError(f"job store {path}: {error}", errnum)
