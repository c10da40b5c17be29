"""`bourn config`: show and reload the instance's configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    import argparse


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn config", description="Show and reload the configuration.")
    commands = parser.add_commands()
    command = commands.add("get", "print the configuration, or the value of a key")
    command.add_argument("-d", "--default", metavar="VALUE", help="what to print if the key isn't set")
    command.add_argument(
        "-q", "--quiet", action="store_true", help="print nothing; fail if the key isn't set"
    )
    command.add_argument("key", nargs="?", metavar="KEY", help="dotted, as queues.batch.requires")
    command.set_defaults(run=_get)
    command = commands.add("reload", "read the configuration files of rank 0 again, for all ranks")
    command.set_defaults(run=_reload)
    command = commands.add("load", "take the configuration of a file, or of standard input, on all ranks")
    command.add_argument("path", nargs="?", metavar="FILE", help="a TOML file")
    command.set_defaults(run=_load)
    args = parser.parse_args(argv)
    with Handle() as h:
        args.run(h, args)
    return 0


def _get(h: Handle, args: argparse.Namespace) -> None:
    tree = h.rpc("config.get").get()["config"]
    value = tree
    for part in (args.key or "").split("."):
        if not part:
            continue
        if not isinstance(value, dict) or part not in value:
            if args.default is not None:
                print(args.default)
                return
            known = value if isinstance(value, dict) else {}
            raise BournError(f"'{args.key}' is not set{suggest(part, known)}")
        value = value[part]
    if not args.quiet:
        print(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _load(h: Handle, args: argparse.Namespace) -> None:
    import sys

    name = args.path or "standard input"
    try:
        if args.path:
            with open(args.path, encoding="utf-8") as file:
                text = file.read()
        else:
            text = sys.stdin.read()
    except UnicodeDecodeError as error:
        raise BournError(f"{name}: not UTF-8 at byte {error.start}") from None
    h.rpc("config.load", {"toml": text, "name": name}).get()


def _reload(h: Handle, args: argparse.Namespace) -> None:
    h.rpc("config.reload").get()
