"""`bourn kvs`: read and write the key-value store."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.parser import Parser
from bourn.client import kvs
from bourn.client.handle import Handle
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bourn.cli.parser import Commands

    Run = Callable[[Handle, argparse.Namespace], int | None]


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn kvs", description="Read and write the key-value store.")
    commands = parser.add_commands()
    _reading(commands)
    _writing(commands)
    _namespaces(commands)
    from bourn.cli.kvs_eventlog import add_eventlog

    add_eventlog(commands)
    args = parser.parse_args(argv)
    with Handle() as h:
        return args.run(h, args) or 0


def add_common(parser: Parser, run: Run, at: bool = False) -> Parser:
    """Give a sub-command the options of all."""
    parser.add_argument(
        "-N", "--namespace", metavar="NAME", help="namespace (default: that of the job, or primary)"
    )
    if at:
        parser.add_argument(
            "-a", "--at", metavar="ROOT", type=_root, help="look at a version, or what getroot said"
        )
    parser.set_defaults(run=run, at=None)
    return parser


def _reading(commands: Commands) -> None:
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


def _writing(commands: Commands) -> None:
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


def _namespaces(commands: Commands) -> None:
    c = commands.add("namespace", "create, remove and list namespaces")
    inner = c.add_commands()
    c = inner.add("create", "create namespaces")
    c.add_argument("-o", "--owner", type=int, metavar="UID", help="whose they are")
    c.add_argument("names", nargs="+", metavar="NAME")
    c.set_defaults(run=_create)
    c = inner.add("remove", "remove namespaces")
    c.add_argument("names", nargs="+", metavar="NAME")
    c.set_defaults(run=_remove)
    inner.add("list", "list namespaces").set_defaults(run=_list)


def _root(text: str) -> int:
    try:
        found = json.loads(text)
        return int(found["version"] if isinstance(found, dict) else found)
    except (ValueError, KeyError, TypeError):
        raise BournError(f"--at: '{text}' is neither a version nor what `bourn kvs getroot` prints") from None


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


def _create(h: Handle, args: argparse.Namespace) -> None:
    for name in args.names:
        kvs.namespace_create(h, name, args.owner)


def _remove(h: Handle, args: argparse.Namespace) -> None:
    for name in args.names:
        kvs.namespace_remove(h, name)


def _list(h: Handle, args: argparse.Namespace) -> None:
    rows = [("NAMESPACE", "OWNER", "FLAGS", "VERSION")]
    rows += [
        (n["namespace"], str(n["owner"]), f"{n['flags']:#010x}", str(n["version"]))
        for n in kvs.namespace_list(h)
    ]
    for name, owner, flags, version in rows:
        print(f"{name:<36} {owner:>10} {flags:>10} {version:>8}")
