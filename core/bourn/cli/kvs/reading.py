"""Sub-commands of `bourn kvs` that read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.kvs.common import add_common
from bourn.client import kvs
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Commands
    from bourn.client.handle import Handle


def add_to(commands: Commands) -> None:
    """Add the sub-commands."""
    c = add_common(commands.add("get", "print values"), _get, at=True)
    c.add_argument("-r", "--raw", action="store_true", help="no newline after a value")
    c.add_argument("-t", "--treeobj", action="store_true", help="print the entry itself as JSON")
    c.add_argument("-l", "--label", action="store_true", help="print KEY=VALUE")
    c.add_argument("-W", "--waitcreate", action="store_true", help="wait for a key that isn't there")
    c.add_argument("-w", "--watch", action="store_true", help="print the value again whenever it is written")
    c.add_argument("-u", "--uniq", action="store_true", help="with --watch: only when it differs")
    c.add_argument("-A", "--append", action="store_true", help="with --watch: only what was added")
    c.add_argument(
        "-f", "--full", action="store_true", help="with --watch: accepted; symlinks are followed anyway"
    )
    c.add_argument("-c", "--count", type=int, default=0, metavar="N", help="with --watch: end after N")
    c.add_argument("keys", nargs="+", metavar="KEY")
    c = add_common(commands.add("dir", "print a directory's keys with their values"), _dir, at=True)
    c.add_argument("-R", "--recursive", action="store_true", help="directories inside as well")
    c.add_argument("-d", "--directory", action="store_true", help="no values")
    c.add_argument("-w", "--width", type=int, default=0, metavar="N", help="cut lines to N columns")
    c.add_argument("key", nargs="?", default=".", metavar="KEY")
    c = add_common(commands.add("ls", "list keys"), _ls, at=True)
    c.add_argument("-R", "--recursive", action="store_true", help="directories inside as well")
    c.add_argument("-d", "--directory", action="store_true", help="a directory itself, not what is in it")
    c.add_argument("-1", "--1", dest="single", action="store_true", help="one a line (always so)")
    c.add_argument(
        "-F", "--classify", action="store_true", help="mark directories with `.`, symlinks with `@`"
    )
    c.add_argument("-w", "--width", type=int, default=0, metavar="N", help="accepted")
    c.add_argument("keys", nargs="*", default=["."], metavar="KEY")
    c = add_common(commands.add("readlink", "print the target of symlinks"), _readlink, at=True)
    c.add_argument("-o", "--namespace-only", action="store_true", help="only the target's namespace")
    c.add_argument("-k", "--key-only", action="store_true", help="only the target's key")
    c.add_argument("keys", nargs="+", metavar="KEY")
    add_common(commands.add("version", "print the namespace's version"), _version)
    c = add_common(commands.add("wait", "wait until the namespace has come to a version"), _wait)
    c.add_argument("version", type=int, metavar="VERSION")
    c = add_common(commands.add("getroot", "print a reference to the namespace as it is now"), _getroot)
    c.add_argument("-s", "--sequence", action="store_true", help="only the version")
    c.add_argument("-o", "--owner", action="store_true", help="only the owner's user id")


def show(value: str | bytes, end: str = "\n") -> None:
    """Print a value; bytes as they are."""
    if isinstance(value, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(value + end.encode())
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(value + end)
        sys.stdout.flush()


def _get(h: Handle, args: argparse.Namespace) -> None:
    if args.watch or args.waitcreate:
        if len(args.keys) != 1:
            raise BournError("--watch and --waitcreate take one key")
        _get_watch(h, args)
        return
    for key in args.keys:
        entry = kvs.lookup(h, key, args.namespace, args.at, follow=not args.treeobj)
        _show_entry(key, entry, args)


def _get_watch(h: Handle, args: argparse.Namespace) -> None:
    count = 1 if not args.watch else args.count
    key = args.keys[0]
    for entry in kvs.watch(
        h, key, args.namespace, waitcreate=args.waitcreate, uniq=args.uniq, append=args.append
    ):
        _show_entry(key, entry, args, raw=args.raw or args.append)
        count -= 1
        if not count:
            return


def _show_entry(key: str, entry: dict[str, Any], args: argparse.Namespace, raw: bool = False) -> None:
    if args.treeobj:
        value = entry["value"]
        print(
            json.dumps({"ver": 1, "type": entry["kind"], "data": kvs.encode_value(value) if value else value})
        )
        return
    if entry["kind"] == "dir":
        raise BournError(f"{key}: is a directory")
    if args.label:
        sys.stdout.write(f"{key}=")
    show(entry["value"], "" if raw or args.raw else "\n")


def _dir(h: Handle, args: argparse.Namespace) -> None:
    _print_dir(h, args, args.key)


def _print_dir(h: Handle, args: argparse.Namespace, key: str) -> None:
    for entry in kvs.entries(h, key, args.namespace, args.at):
        path = kvs.join(key, entry["name"])
        if entry["kind"] == "dir" and args.recursive:
            _print_dir(h, args, path)
            continue
        value = entry["value"]
        if entry["kind"] == "dir":
            line = f"{path}."
        elif entry["kind"] == "symlink":
            line = f"{path} -> {value}"
        elif args.directory:
            line = path
        else:
            text = value.decode(errors="replace") if isinstance(value, bytes) else value
            line = f"{path} = {text.rstrip(chr(10))}"
        print(line[: args.width] if args.width else line)


def _ls(h: Handle, args: argparse.Namespace) -> None:
    several = len(args.keys) > 1 or args.recursive
    for i, key in enumerate(args.keys):
        entry = kvs.lookup(h, key, args.namespace, args.at, follow=not args.directory)
        if entry["kind"] != "dir" or args.directory:
            print(key + _mark(entry["kind"], args))
        else:
            _list_dir(h, args, key, several, i > 0)


def _list_dir(h: Handle, args: argparse.Namespace, key: str, heading: bool, gap: bool) -> None:
    found = kvs.entries(h, key, args.namespace, args.at)
    if heading:
        print(("\n" if gap else "") + f"{key}:")
    for entry in found:
        print(entry["name"] + _mark(entry["kind"], args))
    if args.recursive:
        for entry in found:
            if entry["kind"] == "dir":
                _list_dir(h, args, kvs.join(key, entry["name"]), True, True)


def _mark(kind: str, args: argparse.Namespace) -> str:
    return {"dir": ".", "symlink": "@"}.get(kind, "") if args.classify else ""


def _readlink(h: Handle, args: argparse.Namespace) -> None:
    for key in args.keys:
        entry = kvs.lookup(h, key, args.namespace, args.at, follow=False)
        if entry["kind"] != "symlink":
            raise BournError(f"{key}: is not a symlink")
        namespace, _, target = str(entry["value"]).rpartition("::")
        if args.namespace_only:
            print(namespace)
        else:
            print(target if args.key_only else entry["value"])


def _version(h: Handle, args: argparse.Namespace) -> None:
    print(kvs.version(h, args.namespace))


def _wait(h: Handle, args: argparse.Namespace) -> None:
    kvs.wait_version(h, args.version, args.namespace)


def _getroot(h: Handle, args: argparse.Namespace) -> None:
    root = kvs.root(h, args.namespace)
    if args.sequence:
        print(root["version"])
    elif args.owner:
        print(root["owner"])
    else:
        print(json.dumps({"namespace": root["namespace"], "version": root["version"]}))
