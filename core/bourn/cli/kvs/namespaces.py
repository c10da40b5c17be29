"""`bourn kvs namespace`: create, remove and list namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.client import kvs

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Commands
    from bourn.client.handle import Handle


def add_to(commands: Commands) -> None:
    """Add the sub-commands."""
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
