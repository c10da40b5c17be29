"""`bourn resource attach`, `remove`, `set-property`, ...: change the graph of resources while jobs run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bourn.client import resource
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Commands
    from bourn.client.handle import Handle

FORMATS = {".graphml": "grug", ".jgf": "jgf", ".json": "jgf", ".R": "rv1exec", ".xml": "hwloc"}
FORMATS[".toml"] = "toml-graph"
"""What a file's suffix says; any other resource reader is named with --format."""


def add_commands(commands: Commands) -> None:
    """Add the sub-commands."""
    command = commands.add("attach", "add what a file describes to the resources, while jobs run")
    command.add_argument("file", metavar="FILE", help=f"{', '.join(FORMATS)}; - for stdin")
    command.add_argument("--format", default="", metavar="NAME", help="a resource reader, as jgf or rv1exec")
    command.add_argument("--under", default="", metavar="PATH", help="what the root of FILE stands for")
    command.set_defaults(run=_attach)
    command = commands.add("remove", "take vertices out of the resources, with all that they contain")
    command.add_argument("--force", action="store_true", help="end the jobs that hold them")
    command.add_argument("--wait", action="store_true", help="set them down, wait until nobody holds them")
    command.add_argument("paths", nargs="+", metavar="PATH", help="as /cluster0/rack1/node3")
    command.set_defaults(run=_remove)
    command = commands.add("set-property", "give a vertex properties")
    command.add_argument("path", metavar="PATH")
    command.add_argument("properties", nargs="+", metavar="KEY[=VALUE]")
    command.set_defaults(run=_set_property)
    command = commands.add("unset-property", "take properties of a vertex away")
    command.add_argument("path", metavar="PATH")
    command.add_argument("keys", nargs="+", metavar="KEY")
    command.set_defaults(run=_unset_property)
    command = commands.add("get-property", "print the properties of a vertex")
    command.add_argument("path", metavar="PATH")
    command.set_defaults(run=_get_property)
    command = commands.add("set-status", "set a vertex, and all that it contains, up or down for new jobs")
    command.add_argument("path", metavar="PATH")
    command.add_argument("status", choices=("up", "down"))
    command.set_defaults(run=lambda h, args: resource.set_status(h, args.path, args.status))
    command = commands.add("get-status", "print whether a vertex is up")
    command.add_argument("path", metavar="PATH")
    command.set_defaults(run=_get_status)
    for op, summary in (("link", "relate vertices in a subsystem"), ("unlink", "take such relations back")):
        command = commands.add(op, summary)
        command.add_argument("subsystem", metavar="SUBSYSTEM", help="as power or ibnet")
        command.add_argument("source", metavar="PATH")
        command.add_argument("targets", nargs="+", metavar="TARGET")
        command.set_defaults(run=_link, op=op)
    command = commands.add("graph", "print the graph as JGF, or a vertex of it")
    command.add_argument("path", nargs="?", metavar="PATH")
    command.set_defaults(run=_graph)


def _attach(h: Handle, args: argparse.Namespace) -> None:
    suffix = "." + args.file.rpartition(".")[2]
    format = args.format or FORMATS.get(suffix, "")
    if not format:
        raise BournError(f"{args.file}: the suffix says no format, name it with --format")
    try:
        if args.file == "-":
            content = sys.stdin.read()
        else:
            with open(args.file, encoding="utf-8") as stream:
                content = stream.read()
    except OSError as error:
        raise BournError(f"{args.file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BournError(f"{args.file}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    try:
        made = resource.attach(h, content, format, args.under)
    except BournError as error:
        raise BournError(f"{args.file}: {error.message}", error.errnum) from None
    if made["ranks"]:
        print(f"ranks {made['ranks']}")


def _remove(h: Handle, args: argparse.Namespace) -> None:
    if args.wait:
        resource.update(h, [{"op": "status", "path": path, "status": "down"} for path in args.paths])
    changes = [{"op": "remove", "path": path} for path in args.paths]
    made = resource.update(h, changes, force=args.force, wait=args.wait)
    if made["jobs"]:
        print(f"ended {' '.join(str(JobID(id)) for id in made['jobs'])}")


def _set_property(h: Handle, args: argparse.Namespace) -> None:
    parts = [text.partition("=") for text in args.properties]
    change = {"op": "property", "path": args.path, "set": {key: value for key, _, value in parts}}
    resource.update(h, [change])


def _unset_property(h: Handle, args: argparse.Namespace) -> None:
    resource.update(h, [{"op": "property", "path": args.path, "unset": args.keys}])


def _get_property(h: Handle, args: argparse.Namespace) -> None:
    for key, value in sorted(resource.vertex(h, args.path)["properties"].items()):
        print(f"{key}={value}" if value else key)


def _get_status(h: Handle, args: argparse.Namespace) -> None:
    print(resource.vertex(h, args.path)["up"])


def _link(h: Handle, args: argparse.Namespace) -> None:
    pairs = {"op": args.op, "subsystem": args.subsystem, "source": args.source}
    resource.update(h, [{**pairs, "target": target} for target in args.targets])


def _graph(h: Handle, args: argparse.Namespace) -> None:
    if args.path is None:
        sys.stdout.write(resource.graph(h))
        return
    facts: dict[str, Any] = resource.vertex(h, args.path)
    for key, value in facts.items():
        if key == "jobs":
            value = " ".join(str(JobID(id)) for id in value)
        elif isinstance(value, dict):
            value = " ".join(f"{k}={v}" if v else k for k, v in value.items())
        elif isinstance(value, list):
            value = " ".join(value)
        if value not in ("", -1):
            print(f"{key:<12}{value}")
