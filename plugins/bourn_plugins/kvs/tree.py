"""The meaning of a KVS transaction (RFC 11, RFC 16), apart from where the keys are kept.

A namespace is a tree of entries. Each operation becomes a few reads and writes on a `Table`: SQL rows in the
store, a dict in the tests.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GONE, VAL, APPEND, SYMLINK, DIR = range(5)
KINDS = {VAL: "val", APPEND: "val", SYMLINK: "symlink", DIR: "dir"}

MAX_LINKS = 10
ROOT = "."


class Node(NamedTuple):
    """An entry: its kind, and the value, or the target of a symlink (`target` or `namespace::target`)."""

    kind: int
    value: str | bytes | None = None


class Table(Protocol):
    """The live entries of one namespace, addressed by directory ("" is the root) and name."""

    def get(self, directory: str, name: str) -> Node | None:
        """Return the entry, or None."""

    def set(self, directory: str, name: str, node: Node) -> None:
        """Write an entry; kind GONE removes it, kind APPEND adds to the value that is there."""

    def below(self, directory: str) -> Iterable[tuple[str, str]]:
        """Return the (directory, name) of everything live under a directory, at any depth."""


def normalize(key: str) -> str:
    """Return a key without superfluous dots; the root is "."."""
    return ".".join(filter(None, key.split("."))) or ROOT


def split_link(target: str) -> tuple[str | None, str]:
    """Split a symlink's stored target into namespace and key."""
    namespace, sep, key = target.partition("::")
    return (namespace, key) if sep else (None, target)


def join(directory: str, name: str) -> str:
    """Return the key of an entry."""
    return f"{directory}.{name}" if directory else name


def apply(table: Table, ops: Iterable[tuple[Any, ...]]) -> list[str]:
    """Carry out a transaction's operations in order; return the keys written, symlinks resolved.

    Raises:
        BournError: an operation can't be done (EINVAL, EISDIR, ELOOP, EOPNOTSUPP); what was done before it
            in the transaction must be thrown away by the caller.
    """
    changed: list[str] = []
    for op in ops:
        name = op[0]
        if name == "put":
            _link(table, op[1], Node(VAL, op[2]), changed)
        elif name == "append":
            _link(table, op[1], Node(APPEND, op[2]), changed)
        elif name == "unlink":
            _link(table, op[1], Node(GONE), changed)
        elif name == "mkdir":
            _link(table, op[1], Node(DIR), changed)
        elif name == "symlink":
            target = f"{op[3]}::{op[2]}" if len(op) > 3 and op[3] else op[2]
            _link(table, op[1], Node(SYMLINK, target), changed)
        else:
            raise BournError(f"KVS transaction: unknown operation '{name}'")
    return changed


def _link(table: Table, key: str, node: Node, changed: list[str]) -> None:
    """Write one entry, making the directories above it; a value in the way of a directory gives way."""
    parts = [p for p in key.split(".") if p]
    if not parts:
        raise BournError("KVS transaction: the root directory can't be written or unlinked")
    links = 0
    directory = ""
    i = 0
    while i < len(parts) - 1:
        part = parts[i]
        at = table.get(directory, part)
        if at is not None and at.kind == SYMLINK:
            links += 1
            if links > MAX_LINKS:
                raise BournError(f"key {key}: too many levels of symbolic links", errno.ELOOP)
            namespace, target = split_link(str(at.value))
            if namespace is not None:
                raise BournError(
                    f"key {key}: {join(directory, part)} links to another namespace, {namespace}"
                )
            # Targets are absolute in their namespace (RFC 11), so the walk starts again at the root.
            parts = [p for p in target.split(".") if p] + parts[i + 1 :]
            directory, i = "", 0
            continue
        if at is None or at.kind != DIR:
            if node.kind == GONE:
                return
            table.set(directory, part, Node(DIR))
        directory = join(directory, part)
        i += 1
    _set_last(table, key, directory, parts[-1], node, changed)


def _set_last(table: Table, key: str, directory: str, name: str, node: Node, changed: list[str]) -> None:
    at = table.get(directory, name)
    path = join(directory, name)
    if node.kind == GONE and at is None:
        return
    if node.kind == APPEND:
        if at is None:
            node = Node(VAL, node.value)
        elif at.kind == DIR:
            raise BournError(f"key {key} is a directory, nothing can be appended to it", errno.EISDIR)
        elif at.kind == SYMLINK:
            raise BournError(f"key {key} is a symlink, nothing can be appended to it", errno.EOPNOTSUPP)
    elif at is not None and at.kind == DIR:
        for inner_dir, inner in list(table.below(path)):
            table.set(inner_dir, inner, Node(GONE))
            changed.append(join(inner_dir, inner))
    table.set(directory, name, node)
    changed.append(path)


def resolve(
    get: Callable[[str, str, str], Node | None], namespace: str, key: str, *, follow_last: bool = True
) -> tuple[str, str, Node | None]:
    """Follow the symlinks in a key; return the namespace, the key and the entry it ends at (None: not there).

    `get(namespace, directory, name)` looks one entry up. Raises BournError ELOOP, and whatever `get` raises.
    """
    parts = [p for p in key.split(".") if p]
    directory = ""
    links = i = 0
    node: Node | None = Node(DIR)
    while i < len(parts):
        last = i == len(parts) - 1
        node = get(namespace, directory, parts[i])
        if node is not None and node.kind == SYMLINK and (follow_last or not last):
            links += 1
            if links > MAX_LINKS:
                raise BournError(f"key {key}: too many levels of symbolic links", errno.ELOOP)
            other, target = split_link(str(node.value))
            namespace = other if other is not None else namespace
            parts = [p for p in target.split(".") if p] + parts[i + 1 :]
            directory, i, node = "", 0, Node(DIR)
            continue
        if not last and (node is None or node.kind != DIR):
            if node is not None:
                raise BournError(f"key {key}: {join(directory, parts[i])} is not a directory", errno.ENOTDIR)
            return namespace, ".".join(parts), None
        directory = join(directory, parts[i])
        i += 1
    return namespace, directory or ROOT, node
