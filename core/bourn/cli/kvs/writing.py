"""Sub-commands of `bourn kvs` that write."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.kvs.common import add_common
from bourn.client import kvs
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    import argparse

    from bourn.cli.kvs.common import Run
    from bourn.cli.parser import Commands, Parser
    from bourn.client.handle import Handle


def add_to(commands: Commands) -> None:
    """Add the sub-commands."""

    def writer(name: str, summary: str, run: Run) -> Parser:
        c = add_common(commands.add(name, summary), run)
        c.add_argument("-s", "--sequence", action="store_true", help="print the version that it made")
        return c

    c = writer("put", "store values", _put)
    c.add_argument("-j", "--json", action="store_true", help="values must be JSON")
    c.add_argument(
        "-r", "--raw", action="store_true", help="a value `-` is read from standard input as it is"
    )
    c.add_argument("-A", "--append", action="store_true", help="add to the end of the values")
    c.add_argument("-n", "--no-merge", action="store_true", help="accepted; transactions are never merged")
    c.add_argument(
        "-S", "--sync", action="store_true", help="accepted; what is put is stored when this returns"
    )
    c.add_argument("pairs", nargs="+", metavar="KEY=VALUE")
    c = writer("mkdir", "make empty directories", _mkdir)
    c.add_argument("keys", nargs="+", metavar="KEY")
    c = writer("unlink", "remove keys", _unlink)
    c.add_argument("-R", "--recursive", action="store_true", help="a directory with what is in it")
    c.add_argument("-f", "--force", action="store_true", help="no error for a key that isn't there")
    c.add_argument("keys", nargs="+", metavar="KEY")
    c = writer("link", "make a symlink", _link)
    c.add_argument("-T", "--target-namespace", metavar="NAME", help="namespace of the target")
    c.add_argument("target", metavar="TARGET")
    c.add_argument("name", metavar="LINKNAME")
    for name, summary, run in (
        ("copy", "copy a key, with all that is in it", _copy),
        ("move", "move a key, with all that is in it", _move),
    ):
        c = commands.add(name, summary)
        c.add_argument("-S", "--src-namespace", metavar="NAME", help="namespace of the source")
        c.add_argument("-D", "--dst-namespace", metavar="NAME", help="namespace of the destination")
        c.add_argument("source", metavar="SOURCE")
        c.add_argument("destination", metavar="DESTINATION")
        c.set_defaults(run=run)


def _finish(h: Handle, args: argparse.Namespace, changes: kvs.Transaction) -> None:
    version = changes.commit(h, args.namespace)
    if args.sequence:
        print(version)


def _put(h: Handle, args: argparse.Namespace) -> None:
    changes = kvs.Transaction()
    for pair in args.pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise BournError(f"'{pair}' is not KEY=VALUE")
        value: str | bytes = text
        if text == "-":
            value = sys.stdin.buffer.read() if args.raw else sys.stdin.read()
        if args.json:
            try:
                json.loads(value)
            except ValueError as error:
                raise BournError(f"{key}: the value is not JSON: {error}") from None
        if args.append:
            changes.append(key, value)
        else:
            changes.put_raw(key, value)
    _finish(h, args, changes)


def _mkdir(h: Handle, args: argparse.Namespace) -> None:
    changes = kvs.Transaction()
    for key in args.keys:
        changes.mkdir(key)
    _finish(h, args, changes)


def _unlink(h: Handle, args: argparse.Namespace) -> None:
    changes = kvs.Transaction()
    for key in args.keys:
        try:
            entry = kvs.lookup(h, key, args.namespace, follow=False)
        except RPCError:
            if args.force:
                continue
            raise
        if entry["kind"] == "dir" and not args.recursive and kvs.entries(h, key, args.namespace):
            raise BournError(f"{key}: the directory is not empty; -R removes it with what is in it")
        changes.unlink(key)
    _finish(h, args, changes)


def _link(h: Handle, args: argparse.Namespace) -> None:
    _finish(h, args, kvs.Transaction().symlink(args.name, args.target, args.target_namespace))


def _copied(h: Handle, args: argparse.Namespace) -> kvs.Transaction:
    changes = kvs.Transaction()

    def add(source: str, destination: str, entry: dict[str, Any]) -> None:
        if entry["kind"] == "val":
            changes.put_raw(destination, entry["value"])
        elif entry["kind"] == "symlink":
            namespace, _, target = str(entry["value"]).rpartition("::")
            changes.symlink(destination, target, namespace or None)
        else:
            changes.mkdir(destination)
            for inner in kvs.entries(h, source, args.src_namespace):
                add(kvs.join(source, inner["name"]), kvs.join(destination, inner["name"]), inner)

    add(args.source, args.destination, kvs.lookup(h, args.source, args.src_namespace, follow=False))
    return changes


def _copy(h: Handle, args: argparse.Namespace) -> None:
    _copied(h, args).commit(h, args.dst_namespace)


def _move(h: Handle, args: argparse.Namespace) -> None:
    changes = _copied(h, args)
    same = (args.src_namespace or kvs.default_namespace()) == (args.dst_namespace or kvs.default_namespace())
    if same:
        if f"{args.destination}.".startswith(f"{args.source}."):
            raise BournError(f"{args.source} can't be moved into itself")
        changes.ops.insert(0, ["unlink", args.source])
        changes.commit(h, args.dst_namespace)
    else:
        changes.commit(h, args.dst_namespace)
        kvs.Transaction().unlink(args.source).commit(h, args.src_namespace)
