"""The dump format: a tar archive of JSON lines, the same for every store and independent of SQLite.

    dump.json            {"format": 1, "bourn": version, "created": t, "tables": {table: [column, ...]}}
    TABLE-NNNNNN.jsonl   a part of a table: one JSON array a line, in the order of the columns
    end.json             {"rows": {table: count}}: an archive without it was cut short

A value that is not text is {"b64": "..."}.
"""

from __future__ import annotations

import base64
import errno
import io
import tarfile
import time
from typing import IO, TYPE_CHECKING, Any

import msgspec

from bourn._version import __version__
from bourn.errors import BournError

from .apply import Inserter
from .schema import TABLES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

FORMAT = 1
PART_BYTES = 256 << 10
PART_ROWS = 500

_encode = msgspec.json.encode
_decode = msgspec.json.decode


def _member(name: str, data: bytes, mtime: float) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = int(mtime)
    info.mode = 0o600
    padding = -len(data) % tarfile.BLOCKSIZE
    return info.tobuf(tarfile.PAX_FORMAT) + data + b"\0" * padding


def _out(value: Any) -> Any:
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _in(value: Any) -> Any:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def write_archive(db: sqlite3.Connection) -> Iterator[bytes]:
    """Yield an archive of the database as it is now; `db` is used for nothing else meanwhile."""
    now = time.time()
    db.execute("BEGIN")
    try:
        columns = {t: [row[1] for row in db.execute(f"PRAGMA table_info({t})").fetchall()] for t in TABLES}
        head = {"format": FORMAT, "bourn": __version__, "created": now, "tables": columns}
        yield _member("dump.json", _encode(head), now)
        counts = {}
        for table, names in columns.items():
            cursor = db.execute(f"SELECT {','.join(names)} FROM {table}")
            count = part = 0
            lines: list[bytes] = []
            size = 0
            while rows := cursor.fetchmany(PART_ROWS):
                count += len(rows)
                for row in rows:
                    lines.append(_encode([_out(v) for v in row]))
                    size += len(lines[-1]) + 1
                if size >= PART_BYTES:
                    part += 1
                    yield _member(f"{table}-{part:06}.jsonl", b"\n".join([*lines, b""]), now)
                    lines, size = [], 0
            if lines:
                yield _member(f"{table}-{part + 1:06}.jsonl", b"\n".join([*lines, b""]), now)
            counts[table] = count
        yield _member("end.json", _encode({"rows": counts}), now)
        yield b"\0" * (2 * tarfile.BLOCKSIZE)
    finally:
        db.execute("ROLLBACK")


def load_archive(db: sqlite3.Connection, file: IO[bytes]) -> dict[str, int]:
    """Load an archive into a database that holds no jobs and no keys; return the rows of each table.

    All of it or nothing. Raises BournError for a file that is no whole dump, or EEXIST.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        keep = _make_room(db)
        counts = _load(db, file, keep)
        db.execute("COMMIT")
    except tarfile.TarError as e:
        db.execute("ROLLBACK")
        raise BournError(f"not a dump of Bourn, or one that was cut short: {e}") from e
    except BaseException:
        db.execute("ROLLBACK")
        raise
    return counts


def _make_room(db: sqlite3.Connection) -> set[str]:
    """Refuse a store in use; return the tables that keep what they hold."""
    if db.execute("SELECT 1 FROM job LIMIT 1").fetchone():
        raise BournError("the store holds jobs; restore into an empty one", errno.EEXIST)
    row = db.execute("SELECT name FROM kvs_namespace WHERE version > 0").fetchone()
    if row:
        raise BournError(f"KVS namespace '{row[0]}' holds keys; restore into an empty store", errno.EEXIST)
    for table in ("logname", "kvs_namespace"):
        db.execute(f"DELETE FROM {table}")
    return {"resource"} if db.execute("SELECT 1 FROM resource LIMIT 1").fetchone() else set()


def _load(db: sqlite3.Connection, file: IO[bytes], keep: set[str]) -> dict[str, int]:
    columns: dict[str, list[str]] = {}
    inserters: dict[str, Inserter] = {}
    counts = dict.fromkeys(TABLES, 0)
    expected: dict[str, int] | None = None
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for info in tar:
            stream = tar.extractfile(info) or io.BytesIO()
            if info.name == "dump.json":
                columns = _head(stream.read())
                inserters = {t: Inserter(t, names, "INSERT OR REPLACE") for t, names in columns.items()}
            elif info.name == "end.json":
                expected = _decode(stream.read())["rows"]
            else:
                table = info.name.partition("-")[0]
                if table not in columns:
                    raise BournError(f"not a dump of Bourn: unexpected {info.name}")
                rows = [tuple(_in(v) for v in _decode(line)) for line in stream.read().splitlines()]
                counts[table] += len(rows)
                if table not in keep:
                    inserters[table](db, rows)
    if expected is None or any(counts[t] != n for t, n in expected.items()):
        raise BournError("the dump is not whole: its end is missing")
    return counts


def _head(data: bytes) -> dict[str, list[str]]:
    head = _decode(data)
    if not isinstance(head, dict) or "format" not in head:
        raise BournError("not a dump of Bourn: dump.json has no format")
    if head["format"] > FORMAT:
        raise BournError(f"the dump was made by a newer Bourn, {head['bourn']} (format {head['format']})")
    tables: dict[str, list[str]] = head["tables"]
    for table, names in tables.items():
        if table not in TABLES or not all(n.isidentifier() for n in names):
            raise BournError(f"not a dump of Bourn: unknown table {table}")
    return tables
