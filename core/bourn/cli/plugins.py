"""`bourn plugins`: every plugin with its state, and why it isn't in use if it isn't."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.parser import Parser
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

Record = dict[str, Any]

COLUMNS = ("name", "group", "state", "distribution", "version")


def main(argv: list[str]) -> int:
    """List plugins, or tell all about one."""
    args = _parser().parse_args(argv)
    failure: BournError | None = None
    if args.installed or args.config_path or args.conf or "BOURN_URI" not in os.environ:
        records, failure = _installed(args)
    else:
        records = _running()
    if args.name:
        records = _named(records, args.name)
    if args.json:
        import json

        print(json.dumps(records, indent=2))
    else:
        print("\n".join(_details(records) if args.name else _table(records)))
    if failure is not None:
        sys.stdout.flush()
        raise failure
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="bourn plugins",
        description="List the plugins of the instance, or without one those that are installed here.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="tell all about this one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--installed", action="store_true", help="look at what is installed here, in any case"
    )
    parser.add_argument(
        "-c",
        "--config-path",
        action="append",
        default=[],
        metavar="PATH",
        help="what an instance with it would use",
    )
    parser.add_argument(
        "--conf", action="append", default=[], metavar="KEY=VALUE", help="likewise, a single key"
    )
    return parser


def _running() -> list[Record]:
    """Return the records of the broker's plugins."""
    from bourn.client.handle import Handle

    with Handle() as handle:
        records: list[Record] = handle.rpc("plugins.list").get()["plugins"]
    return records


def _installed(args: argparse.Namespace) -> tuple[list[Record], BournError | None]:
    """Load all that is installed, as an instance, a shell host and the command line would; call every
    hook."""
    import logging

    from bourn.config import load_config
    from bourn.errors import PluginError
    from bourn.hookspecs import CLI_GROUP, GROUPS, HOOKS, SHELL_GROUP
    from bourn.plugins import PluginManager

    logging.getLogger("bourn.plugins").addHandler(logging.NullHandler())  # the table says it all
    manager = PluginManager()
    failure = None
    try:
        manager.load(load_config(args.config_path, args.conf), groups=[*GROUPS, SHELL_GROUP, CLI_GROUP])
    except PluginError as error:
        failure = error
    for hook in HOOKS:
        manager.collect(hook)
    return [record.to_dict() for record in manager.records], failure


def _named(records: list[Record], name: str) -> list[Record]:
    found = [record for record in records if record["name"] == name]
    if not found:
        raise BournError(
            f"no plugin is named '{name}'{suggest(name, (record['name'] for record in records))}"
        )
    return found


def _table(records: Sequence[Record]) -> Iterator[str]:
    rows = [[str(record[column]) for column in COLUMNS] + [_note(record)] for record in records]
    rows.insert(0, [*(column.upper() for column in COLUMNS), "REASON"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _note(record: Record) -> str:
    """Return why a plugin isn't in use, or what went wrong since."""
    return record["reason"] or (f"{len(record['errors'])} errors" if record["errors"] else "")


def _details(records: Sequence[Record]) -> Iterator[str]:
    for position, record in enumerate(records):
        if position:
            yield ""
        yield f"{record['name']}: {record['state']}" + (f": {record['reason']}" if record["reason"] else "")
        yield f"  of           {record['distribution']} {record['version']}"
        yield f"  entry point  {record['group']}: {record['value']}"
        for hook in record["hooks"]:
            names = record["provides"].get(hook)
            yield f"  implements   {hook}" + (f": {', '.join(names)}" if names else "")
        for error in record["errors"]:
            yield f"  error        {error}"
