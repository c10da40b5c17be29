"""The KVS as a table with versions: one namespace's entries within the writer's transaction.

A row stands from its version until a newer row of the same entry; what is superseded is noted in `kvs_old`
under the version that did it, so that collecting old versions costs only what is collected. Values that were
appended to are the rows since the last whole value, joined.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn_plugins.kvs.tree import APPEND, GONE, Node, apply

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from bourn.hookspecs.store import KvsTxn

LATEST = (
    "SELECT kind, value, version FROM kvs WHERE ns = ? AND dir = ? AND name = ? AND version <= ?"
    " ORDER BY version DESC LIMIT 1"
)


def no_namespace(name: str) -> BournError:
    """Return the error for a namespace that isn't there."""
    return BournError(f"KVS namespace '{name}' does not exist", errno.ENOENT)


def concat(parts: list[str | bytes]) -> str | bytes:
    """Join the parts of an appended value; text unless one of them is not."""
    if all(isinstance(p, str) for p in parts):
        return "".join(parts)  # type: ignore[arg-type]
    return b"".join(p.encode() if isinstance(p, str) else p for p in parts)


class SqlTable:
    """One namespace as a `tree.Table`, written at the version that the transaction makes."""

    def __init__(self, db: sqlite3.Connection, ns: int, version: int) -> None:
        self.db = db
        self.ns = ns
        self.version = version

    def get(self, directory: str, name: str) -> Node | None:
        """Return the entry; of a value that was appended to, only the last part."""
        row = self.db.execute(LATEST, (self.ns, directory, name, self.version)).fetchone()
        return Node(row[0], row[1]) if row is not None and row[0] != GONE else None

    def set(self, directory: str, name: str, node: Node) -> None:
        """Write a row, and note what it supersedes."""
        where = (self.ns, directory, name)
        row = self.db.execute(LATEST, (*where, self.version)).fetchone()
        kind, value = node
        if row is not None:
            if kind == APPEND:
                if row[2] == self.version:  # twice in one transaction: one row
                    kind, value = row[0], concat([row[1], node.value or ""])
            else:
                self._supersede(where)
        self.db.execute(
            "INSERT OR REPLACE INTO kvs VALUES (?, ?, ?, ?, ?, ?)", (*where, self.version, kind, value)
        )
        if kind == GONE:  # a tombstone is needed only as long as what it covers
            self.db.execute(
                "INSERT OR IGNORE INTO kvs_old VALUES (?, ?, ?, ?, ?)",
                (self.ns, self.version, directory, name, self.version),
            )

    def _supersede(self, where: tuple[int, str, str]) -> None:
        """Note that the current value, all of its parts, ends at this version."""
        ns, directory, name = where
        entry = {"ns": ns, "dir": directory, "name": name, "now": self.version}
        newer = (
            "SELECT coalesce(max(version), 0) FROM kvs WHERE ns = :ns AND dir = :dir AND name = :name"
            f" AND kind != {APPEND} AND version < :now"
        )
        self.db.execute(
            "INSERT OR IGNORE INTO kvs_old SELECT ns, :now, dir, name, version FROM kvs"
            f" WHERE ns = :ns AND dir = :dir AND name = :name AND version >= ({newer}) AND version < :now"
            f" AND kind != {GONE}",
            entry,
        )
        # The same entry removed and written again in one transaction: the tombstone's note goes with it.
        self.db.execute(
            "DELETE FROM kvs_old"
            " WHERE ns = :ns AND since = :now AND dir = :dir AND name = :name AND version = :now",
            entry,
        )

    def below(self, directory: str) -> Iterator[tuple[str, str]]:
        """Yield what is live under a directory."""
        rows = self.db.execute(
            "SELECT dir, name, kind, max(version) FROM kvs WHERE ns = ?"
            " AND (dir = ? OR (dir > ? AND dir < ?)) GROUP BY dir, name",
            (self.ns, directory, f"{directory}.", f"{directory}/"),
        ).fetchall()
        return ((d, n) for d, n, kind, _ in rows if kind != GONE)


def run_kvs(db: sqlite3.Connection, txn: KvsTxn) -> None:
    """Carry out a transaction, and fill in its `version` and `changed`."""
    row = db.execute("SELECT id, version FROM kvs_namespace WHERE name = ?", (txn.namespace,)).fetchone()
    first = txn.ops[0][0] if txn.ops else ""
    if first in ("create", "ensure"):
        if row is not None:
            if first == "ensure":
                txn.version = row[1]
                return
            raise BournError(f"KVS namespace '{txn.namespace}' exists", errno.EEXIST)
        db.execute(
            "INSERT INTO kvs_namespace (name, owner, flags, version, oldest) VALUES (?, ?, ?, 0, 0)",
            (txn.namespace, txn.ops[0][1], txn.ops[0][2]),
        )
        txn.version = 0
        return
    if row is None:
        raise no_namespace(txn.namespace)
    ns, version = row
    txn.version = version
    if first == "remove":
        for table, column in (("kvs", "ns"), ("kvs_old", "ns"), ("kvs_namespace", "id")):
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (ns,))
    elif first == "gc":
        collect(db, ns, min(txn.ops[0][1], version))
    elif txn.ops:
        txn.version = version + 1
        txn.changed = apply(SqlTable(db, ns, version + 1), txn.ops)
        db.execute("UPDATE kvs_namespace SET version = ? WHERE id = ?", (version + 1, ns))


def collect(db: sqlite3.Connection, ns: int, oldest: int) -> None:
    """Drop what no snapshot from version `oldest` on can see."""
    db.execute(
        "DELETE FROM kvs WHERE ns = :ns AND (ns, dir, name, version) IN"
        " (SELECT ns, dir, name, version FROM kvs_old WHERE ns = :ns AND since <= :oldest)",
        {"ns": ns, "oldest": oldest},
    )
    db.execute("DELETE FROM kvs_old WHERE ns = ? AND since <= ?", (ns, oldest))
    db.execute("UPDATE kvs_namespace SET oldest = max(oldest, ?) WHERE id = ?", (oldest, ns))
