"""Transactions against a model: nested dicts for the meaning, and the versioned table for what is kept."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.hookspecs.store import KvsTxn
from bourn_plugins.kvs.tree import DIR, SYMLINK, VAL, Node, apply, normalize, resolve
from bourn_plugins.store.kvs_table import run_kvs
from bourn_plugins.store.read import Reader
from bourn_plugins.store.schema import DDL


class DictTable:
    """A `Table` in a dict."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[str, str], Node] = {}

    def get(self, directory: str, name: str) -> Node | None:
        return self.nodes.get((directory, name))

    def set(self, directory: str, name: str, node: Node) -> None:
        if node.kind == 0:
            self.nodes.pop((directory, name), None)
        elif node.kind == 2:
            old = self.nodes[directory, name].value
            self.nodes[directory, name] = Node(VAL, str(old) + str(node.value))
        else:
            self.nodes[directory, name] = node

    def below(self, directory: str) -> list[tuple[str, str]]:
        return [k for k in self.nodes if k[0] == directory or k[0].startswith(f"{directory}.")]


class Model:
    """What the field's words say, on nested dicts: dict is a directory, ("link", target) a symlink."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}

    def apply(self, op: tuple[Any, ...]) -> None:
        name, key, *rest = op
        parts = key.split(".")
        here, i, links = self.root, 0, 0
        while i < len(parts) - 1:
            at = here.get(parts[i])
            if isinstance(at, tuple):
                links += 1
                if links > 10:
                    raise BournError("loop")
                parts = [*at[1].split("."), *parts[i + 1 :]]
                here, i = self.root, 0
                continue
            if not isinstance(at, dict):
                if name == "unlink":
                    return
                here[parts[i]] = {}
            here = here[parts[i]]
            i += 1
        last = parts[-1]
        at = here.get(last)
        if name == "put":
            here[last] = rest[0]
        elif name == "append":
            if isinstance(at, (dict, tuple)):
                raise BournError("not a value")
            here[last] = (at or "") + rest[0]
        elif name == "unlink":
            here.pop(last, None)
        elif name == "mkdir":
            here[last] = {}
        else:
            here[last] = ("link", rest[0])

    def flat(self) -> dict[str, Any]:
        out: dict[str, Any] = {}

        def walk(d: dict[str, Any], path: str) -> None:
            for k, v in d.items():
                out[f"{path}{k}"] = "dir" if isinstance(v, dict) else v
                if isinstance(v, dict):
                    walk(v, f"{path}{k}.")

        walk(self.root, "")
        return out


KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)
VALUES = st.text("xyz", max_size=2)
OPS = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("append"), KEYS, VALUES),
    st.tuples(st.just("unlink"), KEYS),
    st.tuples(st.just("mkdir"), KEYS),
    st.tuples(st.just("symlink"), KEYS, KEYS),
)
TXNS = st.lists(st.lists(OPS, min_size=1, max_size=4), max_size=12)


def flat_nodes(table: DictTable) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for (directory, name), node in table.nodes.items():
        path = f"{directory}.{name}" if directory else name
        out[path] = {DIR: "dir", SYMLINK: ("link", node.value), VAL: node.value}[node.kind]
    return out


def flat_store(reader: Reader, version: int | None = None) -> dict[str, Any]:
    out: dict[str, Any] = {}

    def walk(key: str) -> None:
        for entry in reader.kvs_dir("ns", key, version):
            path = entry.name if key == "." else f"{key}.{entry.name}"
            assert reader.kvs_get("ns", path, version) == entry
            out[path] = {"dir": "dir", "symlink": ("link", entry.value), "val": entry.value}[entry.kind]
            if entry.kind == "dir":
                walk(path)

    walk(".")
    return out


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for statement in filter(str.strip, DDL.split(";")):
            db.execute(statement)
        run_kvs(db, KvsTxn("ns", [("create", 0, 0)]))
        yield db


@given(TXNS)
def test_operations_mean_what_the_model_says(txns: list[list[tuple[Any, ...]]]) -> None:
    model, table = Model(), DictTable()
    for op in (op for txn in txns for op in txn):
        try:
            model.apply(op)
        except BournError:
            with pytest.raises(BournError):
                apply(table, [op])
            return  # neither undoes; the caller throws the transaction away
        apply(table, [op])
        assert flat_nodes(table) == model.flat()


@settings(max_examples=150)
@given(TXNS, st.data())
def test_every_version_can_be_read_back_until_it_is_collected(
    txns: list[list[tuple[Any, ...]]], data: st.DataObject
) -> None:
    with database() as db:
        reader = Reader(db)
        model = Model()
        history = [model.flat()]
        oldest = 0
        for ops in txns:
            txn = KvsTxn("ns", list(ops))
            db.execute("BEGIN")
            try:
                run_kvs(db, txn)
            except BournError:
                db.execute("ROLLBACK")
                continue
            db.execute("COMMIT")
            for op in ops:
                model.apply(op)
            history.append(model.flat())
            assert txn.version == len(history) - 1
            if data.draw(st.integers(0, 4)) == 0:
                oldest = max(oldest, data.draw(st.integers(0, txn.version)))
                run_kvs(db, KvsTxn("ns", [("gc", oldest)]))
            for version in range(oldest, len(history)):
                assert flat_store(reader, version) == history[version]
        assert flat_store(reader) == history[-1]
        run_kvs(db, KvsTxn("ns", [("gc", 1 << 40)]))
        assert flat_store(reader) == history[-1]
        live = db.execute("SELECT count(*) FROM kvs WHERE kind != 2").fetchone()[0]
        assert live == len(history[-1])  # nothing superseded is left
        assert db.execute("SELECT count(*) FROM kvs_old").fetchone()[0] == 0
        if oldest:
            with pytest.raises(BournError, match="has no version"):
                reader.kvs_get("ns", "a", -1)


@pytest.mark.parametrize(
    ("raw", "key"), [(".", "."), ("", "."), ("a", "a"), (".a..b.", "a.b"), ("a.b", "a.b"), ("...", ".")]
)
def test_normalize(raw: str, key: str) -> None:
    assert normalize(raw) == key


def lookup(ops: list[tuple[Any, ...]], key: str, *, follow: bool = True) -> tuple[str, str, Node | None]:
    table = DictTable()
    apply(table, ops)
    return resolve(lambda ns, d, n: table.get(d, n), "ns", key, follow_last=follow)


def test_lookups_follow_symlinks() -> None:
    ops = [
        ("put", "a.b", "1"),
        ("symlink", "l", "a"),
        ("symlink", "a.m", "l.b"),
        ("symlink", "x", "q", "other"),
    ]
    assert lookup(ops, "l.b") == ("ns", "a.b", Node(VAL, "1"))
    assert lookup(ops, "l.m") == ("ns", "a.b", Node(VAL, "1"))
    assert lookup(ops, "l", follow=False) == ("ns", "l", Node(SYMLINK, "a"))
    assert lookup(ops, "x")[0] == "other"
    assert lookup(ops, ".") == ("ns", ".", Node(DIR))
    assert lookup(ops, "nothing.here")[2] is None


def test_lookups_that_can_not_be() -> None:
    with pytest.raises(BournError, match="too many levels"):
        lookup([("symlink", "a", "b"), ("symlink", "b", "a")], "a")
    with pytest.raises(BournError, match="a is not a directory"):
        lookup([("put", "a", "1")], "a.b")


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ([("put", ".", "1")], "root directory"),
        ([("mkdir", "a"), ("append", "a", "1")], "is a directory"),
        ([("symlink", "a", "b"), ("append", "a", "1")], "is a symlink"),
        ([("symlink", "a", "b"), ("symlink", "b", "a"), ("put", "a.c", "1")], "too many levels"),
        ([("symlink", "a", "b", "other"), ("put", "a.c", "1")], "another namespace"),
        ([("frob", "a")], "unknown operation 'frob'"),
    ],
)
def test_transactions_that_are_refused(ops: list[tuple[Any, ...]], message: str) -> None:
    with pytest.raises(BournError, match=message):
        apply(DictTable(), ops)


def test_appending_joins_text_and_bytes() -> None:
    with database() as db:
        reader = Reader(db)
        for value in ("a", "b", b"\xff", "c"):
            run_kvs(db, KvsTxn("ns", [("append", "log", value), ("append", "log", value)]))
        entry = reader.kvs_get("ns", "log")
        assert entry is not None
        assert entry.value == b"aabb\xff\xffcc"
        assert reader.kvs_get("ns", "log", 2) is not None
        assert reader.kvs_get("ns", "log", 2).value == "aabb"  # type: ignore[union-attr]
