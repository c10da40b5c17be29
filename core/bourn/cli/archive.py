"""`bourn archive`: put files where jobs can take them from, on whatever node they run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.client import archive
from bourn.client.handle import Handle
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Run = Callable[[Handle, argparse.Namespace], None]


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn archive", description="Keep files where jobs on all nodes find them.")
    commands = parser.add_commands()
    c = _common(commands.add("create", "put files and directories into a new archive"), _create)
    c.add_argument("-C", "--directory", default=".", metavar="DIR", help="paths are relative to DIR")
    c.add_argument("--overwrite", action="store_true", help="replace an archive of this name")
    c.add_argument("paths", nargs="+", metavar="PATH")
    c = _common(commands.add("list", "list what is in an archive"), _list)
    c.add_argument("-l", "--long", action="store_true", help="with mode, size and time of change")
    c.add_argument("pattern", nargs="?", default="*", metavar="PATTERN")
    c = _common(commands.add("extract", "write what is in an archive into a directory"), _extract)
    c.add_argument("-C", "--directory", default=".", metavar="DIR", help="write into DIR")
    c.add_argument("--overwrite", action="store_true", help="replace files that are there")
    c.add_argument("-v", "--verbose", action="store_true", help="print each path")
    c.add_argument("pattern", nargs="?", default="*", metavar="PATTERN")
    c = _common(commands.add("remove", "remove an archive"), _remove)
    c.add_argument("-f", "--force", action="store_true", help="it needn't exist")
    c = commands.add("names", "print the names of all archives")
    c.set_defaults(run=_names)
    args = parser.parse_args(argv)
    with Handle() as h:
        args.run(h, args)
    return 0


def _common(parser: Parser, run: Run) -> Parser:
    parser.add_argument("-n", "--name", default="main", metavar="NAME", help="name of the archive (main)")
    parser.set_defaults(run=run)
    return parser


def _create(h: Handle, args: argparse.Namespace) -> None:
    archive.create(h, args.name, args.paths, args.directory, args.overwrite)


def _list(h: Handle, args: argparse.Namespace) -> None:
    import stat
    from datetime import datetime

    for member in archive.members(h, args.name, args.pattern):
        if args.long:
            kind = stat.S_IFDIR if member.isdir() else stat.S_IFLNK if member.issym() else stat.S_IFREG
            when = datetime.fromtimestamp(member.mtime).strftime("%Y-%m-%d %H:%M")
            print(f"{stat.filemode(kind | member.mode)} {member.size:>12} {when} {member.name}")
        else:
            print(member.name)


def _extract(h: Handle, args: argparse.Namespace) -> None:
    found = archive.extract(h, args.name, args.directory, args.pattern, args.overwrite)
    if not found:
        raise BournError(f"archive {args.name} has nothing that fits '{args.pattern}'")
    if args.verbose:
        sys.stdout.writelines(f"{path}\n" for path in found)


def _remove(h: Handle, args: argparse.Namespace) -> None:
    if not args.force or args.name in archive.names(h):
        archive.remove(h, args.name)


def _names(h: Handle, args: argparse.Namespace) -> None:
    sys.stdout.writelines(f"{name}\n" for name in archive.names(h))
