"""`bourn resource`: list, count, drain, undrain and change what the instance has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bourn.cli import resource_graph
from bourn.cli.format import Template, field_lookup, named
from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.client.resource import STATES, drain, resource_list, resource_status, undrain
from bourn.errors import BournError, suggest
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

    Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]

LIST_FORMATS = {
    "default": "{state:>10} ?:{properties:<10} {nnodes:>6} {ncores:>8} {ngpus:>8} {nodelist}",
    "rlist": "{state:>10} {nnodes:>6} {ncores:>8} {ngpus:>8} {rlist}",
}
STATUS_FORMATS = {
    "default": "{state:>10} {up:>2} {nnodes:>6} {nodelist}",
    "long": "{state:>10} {up:>2} {nnodes:>6} {reason:<25.25+} {nodelist}",
}
DRAIN_FORMATS = {
    "default": "{timestamp!d:%b%d %R::<12} {state:<8.8} {ranks:<8.8+} {reason:<30.30+} {nodelist}",
    "long": "{timestamp!D:<20} {state:<8.8} {ranks:<8.8+} +:{reason:<30} {nodelist}",
}


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(argv)
    with Handle() as h:
        run: Callable[[Handle, argparse.Namespace], None] = args.run
        run(h, args)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="bourn resource", description="List, count, drain, undrain and change resources.")
    commands = parser.add_commands()

    def listing(
        name: str, summary: str, run: Callable[[Handle, argparse.Namespace], None], formats: Fields | Any
    ) -> Parser:
        command = commands.add(name, summary)
        command.set_defaults(run=run)
        command.add_argument("-n", "--no-header", action="store_true", help="print no headings")
        command.add_argument(
            "-o", "--format", default="default", help=f"a format, or one of {', '.join(formats)}"
        )
        return command

    command = listing("list", "list resources by state", _list, LIST_FORMATS)
    command.add_argument(
        "-s", "--states", default="free,allocated,down", help="of free, allocated, down, up, all"
    )
    command.add_argument("-i", "--include", metavar="RANKS|HOSTS", help="only these")
    command.add_argument("--json", action="store_true", help="print resource sets as JSON")
    command = commands.add("info", "count nodes, cores and GPUs")
    command.add_argument("-s", "--states", default="all", help="of free, allocated, down, up, all")
    command.set_defaults(run=_info)
    command = commands.add("R", "print a resource set as JSON")
    command.add_argument("-s", "--states", default="all", help="of free, allocated, down, up, all")
    command.set_defaults(run=_R)
    command = listing(
        "status", "show which ranks are available, drained, excluded and offline", _status, STATUS_FORMATS
    )
    command.add_argument("-s", "--states", default="", help="of avail, down, drain, exclude, offline")
    command = listing(
        "drain", "take ranks out of service for new jobs, or list those that are", _drain, DRAIN_FORMATS
    )
    command.add_argument("-u", "--update", action="store_true", help="change a reason, keep the time")
    command.add_argument("-f", "--force", action="store_true", help="replace reason and time")
    command.add_argument("targets", nargs="?", metavar="RANKS|HOSTS")
    command.add_argument("reason", nargs="*", metavar="REASON")
    command = commands.add("undrain", "put ranks back into service")
    command.add_argument("targets", metavar="RANKS|HOSTS")
    command.set_defaults(run=lambda h, args: undrain(h, args.targets))
    command = commands.add(
        "reload",
        "read the description of the resources again, or another one; without any, take what hosts have now",
    )
    command.add_argument("path", nargs="?", metavar="FILE")
    command.set_defaults(run=_reload)
    command = commands.add("eventlog", "print the resource eventlog")
    command.set_defaults(run=_eventlog)
    resource_graph.add_commands(commands)
    return parser


def _states(text: str, known: Iterable[str]) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise BournError(f"no such state '{name}'{suggest(name, known)}")
    return names


def _union(h: Handle, text: str) -> ResourceSet:
    listing = resource_list(h)
    result = listing.all.copy_ranks(IdSet())  # nothing yet, but until when
    for name in _states(text, STATES):
        result = result.union(listing.state(name))
    return result


def _info(h: Handle, args: argparse.Namespace) -> None:
    found = _union(h, args.states)
    print(f"{found.nnodes} Nodes, {found.ncores} Cores, {found.ngpus} GPUs")


def _R(h: Handle, args: argparse.Namespace) -> None:
    import json

    print(json.dumps(_union(h, args.states).to_dict(), separators=(",", ":")))


def _list(h: Handle, args: argparse.Namespace) -> None:
    listing = resource_list(h)
    rows = []
    for state in _states(args.states, STATES):
        found = listing.state(state)
        if args.include:
            found = found.copy_ranks(_include(found, args.include))
        rows.append((state, found))
    if args.json:
        import json

        print(json.dumps({state: found.to_dict() for state, found in rows}))
        return
    fields: Fields = {
        "state": ("STATE", lambda row: row[0]),
        "nnodes": ("NNODES", lambda row: row[1].nnodes),
        "ncores": ("NCORES", lambda row: row[1].ncores),
        "ngpus": ("NGPUS", lambda row: row[1].ngpus),
        "nodelist": ("NODELIST", lambda row: row[1].nodelist),
        "ranks": ("RANKS", lambda row: row[1].ranks),
        "properties": ("PROPERTIES", lambda row: ",".join(sorted(row[1].properties))),
        "rlist": ("LIST", lambda row: row[1].summary()),
    }
    _print(rows, named(args.format, LIST_FORMATS, "resource"), fields, args.no_header)


def _include(found: ResourceSet, text: str) -> IdSet:
    if all(c in "0123456789-,[]" for c in text):
        return IdSet(text) & found.ranks
    from bourn.model.hostlist import Hostlist

    wanted = set(Hostlist(text))
    return IdSet(rank for rank in found.ranks if found.hostname(rank) in wanted)


def _status(h: Handle, args: argparse.Namespace) -> None:
    status = resource_status(h)
    rset = ResourceSet.from_dict(status["R"])
    rows = [
        ("avail", "✔", IdSet(status["up"]), ""),
        ("offline", "✗", IdSet(status["offline"]), ""),
        ("exclude", "✗", IdSet(status["exclude"]), ""),
        ("down", "✗", IdSet(status["down"]), ""),
    ]
    rows += [("drain", "✗", IdSet(entry["ranks"]), entry["reason"]) for entry in status["drain"]]
    wanted = _states(args.states, {row[0] for row in rows} | {"drain"})
    rows = [row for row in rows if (row[0] in wanted if wanted else row[2] or row[0] == "avail")]
    fields: Fields = {
        "state": ("STATE", lambda row: row[0]),
        "up": ("UP", lambda row: row[1]),
        "nnodes": ("NNODES", lambda row: len(row[2])),
        "ranks": ("RANKS", lambda row: row[2]),
        "nodelist": ("NODELIST", lambda row: rset.copy_ranks(row[2]).nodelist),
        "reason": ("REASON", lambda row: row[3]),
    }
    _print(rows, named(args.format, STATUS_FORMATS, "resource"), fields, args.no_header)


def _drain(h: Handle, args: argparse.Namespace) -> None:
    if args.targets is not None:
        mode = "overwrite" if args.force else "update" if args.update else ""
        drain(h, args.targets, " ".join(args.reason), mode)
        return
    status = resource_status(h)
    rset = ResourceSet.from_dict(status["R"])
    busy = resource_list(h).allocated.ranks
    rows = []
    for entry in status["drain"]:
        ranks = IdSet(entry["ranks"])
        for state, part in (("draining", ranks & busy), ("drained", ranks - busy)):
            if part:
                rows.append((entry["timestamp"], state, part, entry["reason"]))
    fields: Fields = {
        "timestamp": ("TIMESTAMP", lambda row: row[0]),
        "state": ("STATE", lambda row: row[1]),
        "ranks": ("RANK", lambda row: row[2]),
        "reason": ("REASON", lambda row: row[3]),
        "nodelist": ("NODELIST", lambda row: rset.copy_ranks(row[2]).nodelist),
    }
    _print(rows, named(args.format, DRAIN_FORMATS, "resource"), fields, args.no_header)


def _reload(h: Handle, args: argparse.Namespace) -> None:
    import os

    h.rpc("resource.reload", {"path": os.path.abspath(args.path)} if args.path else None).get()


def _eventlog(h: Handle, args: argparse.Namespace) -> None:
    sys.stdout.write(h.rpc("resource.eventlog").get()["eventlog"])


def _print(rows: list[Any], text: str, fields: Fields, no_header: bool) -> None:
    template = Template(text, field_lookup(fields))
    template.fit(rows)
    if not no_header:
        print(template.header())
    for line in template.rows(rows):
        print(line)
