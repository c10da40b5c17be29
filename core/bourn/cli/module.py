"""`bourn module`: list, load, remove and reload broker modules."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from bourn.cli.format import Template, field_lookup, short_duration
from bourn.cli.parser import Parser
from bourn.client.handle import Handle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

FORMAT = "{name:<18} {state:<10} {uptime:>8} {messages:>8} {services}"


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn module", description="List, load, remove and reload broker modules.")
    commands = parser.add_commands()
    command = commands.add("list", "list modules")
    command.add_argument("-a", "--all", action="store_true", help="those that aren't loaded, too")
    command.add_argument("-l", "--long", action="store_true", help="say why a module failed")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_list)
    command = commands.add("load", "load a module by name, or from a file")
    command.add_argument("module", metavar="NAME|FILE.py")
    command.set_defaults(run=_load)
    command = commands.add("remove", "stop a module and remove it")
    command.add_argument("-f", "--force", action="store_true", help="do nothing if it isn't there")
    command.add_argument("module", metavar="NAME")
    command.set_defaults(run=_remove)
    command = commands.add("reload", "stop a module and start it again")
    command.add_argument("module", metavar="NAME")
    command.set_defaults(run=lambda h, args: h.rpc("module.reload", {"name": args.module}).get())
    command = commands.add("stats", "print a module's figures")
    command.add_argument("module", metavar="NAME")
    command.set_defaults(run=_stats)
    args = parser.parse_args(argv)
    run: Callable[[Handle, argparse.Namespace], object] = args.run
    with Handle() as h:
        run(h, args)
    return 0


def _list(h: Handle, args: argparse.Namespace) -> None:
    modules: list[dict[str, Any]] = h.rpc("module.list", {"all": args.all}).get()["modules"]
    if args.json:
        print(json.dumps(modules))
        return
    fields: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "name": ("MODULE", lambda m: m["name"]),
        "state": ("STATE", lambda m: m["state"]),
        "uptime": ("UPTIME", lambda m: short_duration(m["uptime"]) if m.get("uptime") else ""),
        "messages": ("MESSAGES", lambda m: m.get("messages", "")),
        "services": ("SERVICES", lambda m: ",".join(s for s in m["services"] if s != m["name"])),
        "error": ("ERROR", lambda m: m.get("error") or ""),
    }
    template = Template(FORMAT + (" {error}" if args.long else ""), field_lookup(fields))
    print(template.header())
    for line in template.rows(modules):
        print(line)


def _load(h: Handle, args: argparse.Namespace) -> None:
    is_file = args.module.endswith(".py") or os.sep in args.module
    request = {"path": os.path.abspath(args.module)} if is_file else {"name": args.module}
    h.rpc("module.load", request).get()


def _remove(h: Handle, args: argparse.Namespace) -> None:
    if args.force and args.module not in {m["name"] for m in h.rpc("module.list").get()["modules"]}:
        return
    h.rpc("module.remove", {"name": args.module}).get()


def _stats(h: Handle, args: argparse.Namespace) -> None:
    print(json.dumps(h.rpc("module.stats", {"name": args.module}).get(), indent=1))
