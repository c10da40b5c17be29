"""The key-value store: values are JSON, or any text or bytes that a job put there.

    with bourn.Handle() as h:
        kvs.put(h, "a.b", {"x": 1})
        kvs.commit(h)
        for name in kvs.get_dir(h, "a"): ...

Functions that change something queue it on the handle until `commit`; a `Transaction` is the same without a
handle that remembers. `namespace` is "primary", or that of the job one runs in (BOURN_KVS_NAMESPACE), unless
it is given.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bourn.client.handle import Handle

Entry = dict[str, Any]


def default_namespace() -> str:
    """Return the namespace that is used unless one is named."""
    return os.environ.get("BOURN_KVS_NAMESPACE") or "primary"


def _request(namespace: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "namespace": namespace or default_namespace(),
        **{k: v for k, v in fields.items() if v is not None},
    }


# Values.


def encode_value(value: str | bytes) -> Any:
    """Return a value as it travels: text as it is, other bytes as {"b64": ...}."""
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def decode_value(value: Any) -> str | bytes:
    """Undo `encode_value`."""
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else str(value)


def parse_value(value: str | bytes) -> Any:
    """Return a value as JSON, if that is what it is, else as it is."""
    try:
        return json.loads(value)
    except ValueError:
        return value


# Reading.


def lookup(
    h: Handle, key: str, namespace: str | None = None, version: int | None = None, follow: bool = True
) -> Entry:
    """Return {kind: "val" | "dir" | "symlink", value}; RPCError ENOENT where there is nothing.

    `version` looks at the past; without `follow` a symlink itself is returned.
    """
    entry: Entry = h.rpc("kvs.get", _request(namespace, key=key, version=version, follow=follow)).get()
    if entry["value"] is not None:
        entry["value"] = decode_value(entry["value"])
    return entry


def get_raw(h: Handle, key: str, namespace: str | None = None, version: int | None = None) -> str | bytes:
    """Return a value as it was put; RPCError ENOENT, EISDIR for a directory."""
    entry = lookup(h, key, namespace, version)
    if entry["kind"] == "dir":
        raise RPCError(errno.EISDIR, f"key {key} is a directory", "kvs.get")
    value: str | bytes = entry["value"]
    return value


def get(h: Handle, key: str, namespace: str | None = None, version: int | None = None) -> Any:
    """Return a value, decoded if it is JSON; RPCError ENOENT, EISDIR for a directory."""
    return parse_value(get_raw(h, key, namespace, version))


def exists(h: Handle, key: str, namespace: str | None = None) -> bool:
    """Whether there is something under a key."""
    return _kind(h, key, namespace) is not None


def isdir(h: Handle, key: str, namespace: str | None = None) -> bool:
    """Whether a key is a directory."""
    return _kind(h, key, namespace) == "dir"


def _kind(h: Handle, key: str, namespace: str | None) -> str | None:
    try:
        return str(lookup(h, key, namespace)["kind"])
    except RPCError as e:
        if e.errnum in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def entries(
    h: Handle, key: str = ".", namespace: str | None = None, version: int | None = None
) -> list[Entry]:
    """Return the {name, kind, value} directly inside a directory, by name."""
    found: list[Entry] = h.rpc("kvs.dir", _request(namespace, key=key, version=version)).get()["entries"]
    for entry in found:
        if entry["value"] is not None:
            entry["value"] = decode_value(entry["value"])
    return found


class Directory:
    """A directory as a mapping: `d[name]` reads, assignment and `del` queue changes until `commit`.

    A name may have dots in it. Entries that are directories come as `Directory`.
    """

    def __init__(
        self, h: Handle, path: str = ".", namespace: str | None = None, version: int | None = None
    ) -> None:
        self.handle = h
        self.path = path
        self.namespace = namespace
        self.version = version
        self._changes = Transaction()

    def key(self, name: str) -> str:
        """Return the whole key of a name."""
        return join(self.path, name)

    def __getitem__(self, name: str) -> Any:
        try:
            entry = lookup(self.handle, self.key(name), self.namespace, self.version)
        except RPCError as e:
            if e.errnum in (errno.ENOENT, errno.ENOTDIR):
                raise KeyError(f"{self.key(name)} does not exist") from None
            raise
        if entry["kind"] == "dir":
            return Directory(self.handle, self.key(name), self.namespace, self.version)
        return parse_value(entry["value"])

    def __setitem__(self, name: str, value: Any) -> None:
        self._changes.put(self.key(name), value)

    def __delitem__(self, name: str) -> None:
        self._changes.unlink(self.key(name))

    def __contains__(self, name: str) -> bool:
        return exists(self.handle, self.key(name), self.namespace)

    def __iter__(self) -> Iterator[str]:
        return (e["name"] for e in self.entries())

    def __len__(self) -> int:
        return len(self.entries())

    def entries(self) -> list[Entry]:
        """Return what is directly inside."""
        return entries(self.handle, self.path, self.namespace, self.version)

    def directories(self) -> list[str]:
        """Return the names of the directories inside."""
        return [e["name"] for e in self.entries() if e["kind"] == "dir"]

    def files(self) -> list[str]:
        """Return the names of the values and symlinks inside."""
        return [e["name"] for e in self.entries() if e["kind"] != "dir"]

    def mkdir(self, name: str) -> None:
        """Queue the making of an empty directory."""
        self._changes.mkdir(self.key(name))

    def commit(self) -> int:
        """Carry out the queued changes; return the namespace's new version."""
        changes, self._changes = self._changes, Transaction()
        return changes.commit(self.handle, self.namespace)

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.commit()


def get_dir(h: Handle, key: str = ".", namespace: str | None = None, version: int | None = None) -> Directory:
    """Return a directory; RPCError ENOENT, ENOTDIR."""
    if lookup(h, key, namespace, version)["kind"] != "dir":
        raise RPCError(errno.ENOTDIR, f"key {key} is not a directory", "kvs.get")
    return Directory(h, key, namespace, version)


def walk(
    h: Handle, key: str = ".", namespace: str | None = None, version: int | None = None, topdown: bool = False
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (key, names of directories, names of values and symlinks) for a directory and all below it."""
    found = entries(h, key, namespace, version)
    directories = [e["name"] for e in found if e["kind"] == "dir"]
    here = (key, directories, [e["name"] for e in found if e["kind"] != "dir"])
    if topdown:
        yield here
    for name in directories:
        yield from walk(h, join(key, name), namespace, version, topdown)
    if not topdown:
        yield here


def join(path: str, name: str) -> str:
    """Return the key of a name in a directory."""
    return name if path in (".", "") else f"{path}.{name}"


# Writing.


class Transaction:
    """Changes that are made together or not at all."""

    def __init__(self) -> None:
        self.ops: list[list[Any]] = []

    def put(self, key: str, value: Any) -> Transaction:
        """Store a value as JSON."""
        return self.put_raw(key, json.dumps(value))

    def put_raw(self, key: str, value: str | bytes) -> Transaction:
        """Store text or bytes as they are."""
        self.ops.append(["put", key, encode_value(value)])
        return self

    def append(self, key: str, value: str | bytes) -> Transaction:
        """Add to the end of a value, which is made if it isn't there."""
        self.ops.append(["append", key, encode_value(value)])
        return self

    def unlink(self, key: str) -> Transaction:
        """Remove a key, a directory with all that is in it."""
        self.ops.append(["unlink", key])
        return self

    def mkdir(self, key: str) -> Transaction:
        """Make an empty directory in place of whatever is there."""
        self.ops.append(["mkdir", key])
        return self

    def symlink(self, key: str, target: str, target_namespace: str | None = None) -> Transaction:
        """Make a symlink; a target is a whole key, in this namespace or another."""
        self.ops.append(["symlink", key, target, target_namespace])
        return self

    def commit(self, h: Handle, namespace: str | None = None) -> int:
        """Carry it out; return the namespace's new version."""
        return int(h.rpc("kvs.commit", _request(namespace, ops=self.ops)).get()["version"])

    def fence(self, h: Handle, name: str, nprocs: int, namespace: str | None = None) -> int:
        """Carry it out together with those of `nprocs` - 1 others that give the same name."""
        return int(
            h.rpc("kvs.fence", _request(namespace, name=name, nprocs=nprocs, ops=self.ops)).get()["version"]
        )


_queued: WeakKeyDictionary[Handle, dict[str, Transaction]] = WeakKeyDictionary()


def _transaction(h: Handle, namespace: str | None) -> Transaction:
    return _queued.setdefault(h, {}).setdefault(namespace or default_namespace(), Transaction())


def put(h: Handle, key: str, value: Any, namespace: str | None = None) -> None:
    """Queue the storing of a value as JSON."""
    _transaction(h, namespace).put(key, value)


def put_mkdir(h: Handle, key: str, namespace: str | None = None) -> None:
    """Queue the making of an empty directory."""
    _transaction(h, namespace).mkdir(key)


def put_unlink(h: Handle, key: str, namespace: str | None = None) -> None:
    """Queue the removal of a key."""
    _transaction(h, namespace).unlink(key)


def put_symlink(h: Handle, key: str, target: str, namespace: str | None = None) -> None:
    """Queue the making of a symlink."""
    _transaction(h, namespace).symlink(key, target)


def commit(h: Handle, namespace: str | None = None) -> int:
    """Carry out what is queued on a handle for a namespace; return the namespace's version."""
    changes = _queued.get(h, {}).pop(namespace or default_namespace(), None) or Transaction()
    return changes.commit(h, namespace)


# Versions and watches.


def root(h: Handle, namespace: str | None = None) -> dict[str, Any]:
    """Return {namespace, version, owner, flags, oldest}."""
    found: dict[str, Any] = h.rpc("kvs.getroot", _request(namespace)).get()
    return found


def version(h: Handle, namespace: str | None = None) -> int:
    """Return the number of transactions that a namespace has seen."""
    return int(root(h, namespace)["version"])


def wait_version(h: Handle, version: int, namespace: str | None = None, timeout: float | None = None) -> int:
    """Wait until a namespace has come to a version; return the one it has."""
    return int(h.rpc("kvs.wait", _request(namespace, version=version)).get(timeout)["version"])


def watch(
    h: Handle,
    key: str,
    namespace: str | None = None,
    *,
    waitcreate: bool = False,
    uniq: bool = False,
    append: bool = False,
) -> Iterator[Entry]:
    """Yield {kind, value, version} now and after every commit that writes the key.

    `waitcreate`: wait for a key that isn't there. `uniq`: only when the value differs. `append`: only what
    was added. It ends with RPCError ENOENT when the key is removed.
    """
    request = _request(namespace, key=key, waitcreate=waitcreate, uniq=uniq, append=append)
    future = h.rpc("kvs.watch", request, streaming=True)
    try:
        for entry in future:
            if entry["value"] is not None:
                entry["value"] = decode_value(entry["value"])
            yield entry
    finally:
        future.cancel()


# Namespaces.


def namespace_create(h: Handle, name: str, owner: int | None = None) -> None:
    """Make a namespace, for another user if `owner` is given; RPCError EEXIST."""
    h.rpc("kvs.namespace-create", _request(name, owner=owner)).get()


def namespace_remove(h: Handle, name: str) -> None:
    """Remove a namespace with all that is in it."""
    h.rpc("kvs.namespace-remove", _request(name)).get()


def namespace_list(h: Handle) -> list[dict[str, Any]]:
    """Return {namespace, version, owner, flags, oldest} of each."""
    found: list[dict[str, Any]] = h.rpc("kvs.namespace-list").get()["namespaces"]
    return found


# Eventlogs (RFC 18).


def eventlog_append(
    h: Handle,
    key: str,
    name: str,
    context: dict[str, Any] | None = None,
    timestamp: float | None = None,
    namespace: str | None = None,
) -> None:
    """Add an event to an eventlog, which is made if it isn't there."""
    event: dict[str, Any] = {"timestamp": time.time() if timestamp is None else timestamp, "name": name}
    if context:
        event["context"] = context
    Transaction().append(key, json.dumps(event, separators=(",", ":")) + "\n").commit(h, namespace)


def eventlog_get(h: Handle, key: str, namespace: str | None = None) -> list[dict[str, Any]]:
    """Return the events of an eventlog."""
    return parse_eventlog(get_raw(h, key, namespace))


def eventlog_watch(
    h: Handle, key: str, namespace: str | None = None, waitcreate: bool = False
) -> Iterator[Any]:
    """Yield the events of an eventlog, those to come as well."""
    for entry in watch(h, key, namespace, waitcreate=waitcreate, append=True):
        yield from parse_eventlog(entry["value"])


def parse_eventlog(text: str | bytes) -> list[dict[str, Any]]:
    """Return the events in a log; BournError names the line that is none."""
    events = []
    lines: list[Any] = list(text.splitlines())
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            event["timestamp"], event["name"]
        except (ValueError, KeyError, TypeError):
            raise BournError(f"line {number} is not an event: {line[:60]!r}") from None
        events.append(event)
    return events
