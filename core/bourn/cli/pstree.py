"""`bourn pstree`: the tree of jobs and of the instances that some of them are, to any depth."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.client.jobfields import annotation, attrs_of, field, is_with_child
from bourn.client.joblist import JobList
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse

    Record = dict[str, Any]

DETAILS = ("id.f58", "username", "status_abbrev", "ntasks", "nnodes", "runtime")


class Node:
    """A job in the tree: its line, and the jobs of its instance if it is one."""

    __slots__ = ("children", "details", "label")

    def __init__(self, label: str, details: tuple[str, ...] = ()) -> None:
        self.label = label
        self.details = details
        self.children: list[Node] = []


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(prog="bourn pstree", description="Show the tree of jobs and nested instances.")
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="jobs in any state, not just active ones")
    add("-c", "--count", type=int, default=0, metavar="N", help="at most N jobs of each instance")
    add("-f", "--filter", metavar="STATES", help="states and results, as running,failed")
    add("-x", "--extended", action="store_true", help="print columns about each job before the tree")
    add("-L", "--level", type=int, default=None, metavar="N", help="descend at most N levels")
    add("-C", "--no-compact", action="store_true", help="a line for each job, also for equal ones")
    add("-n", "--no-header", action="store_true", help="print no headings with --extended")
    add("--skip-root", action="store_true", help="leave the enclosing instance out")
    add("jobid", nargs="?", metavar="JOBID", help="the job at the root of the tree")
    args = parser.parse_args(argv)
    uri = None
    label = "."
    if args.jobid:
        from bourn.cli.address import resolve

        uri, label = resolve(args.jobid), args.jobid
    root = Node(label)
    with Handle(uri) as h:
        _grow(h, root, args, 0)
    if not args.no_compact and not args.extended:
        _merge(root)
    if args.extended and not args.no_header:
        print(_columns([field(name)[0] for name in DETAILS]))
    if args.skip_root:
        for child in root.children:
            _print(child, "", "", args)
    else:
        _print(root, "", "", args)
    return 0


def _grow(h: Handle, node: Node, args: argparse.Namespace, level: int) -> None:
    attrs = attrs_of(["name", "status_abbrev", "annotations", *DETAILS])
    filters = args.filter or ("" if args.all else "active")
    jobs = JobList(h, attrs=attrs, filters=filters, user=os.getuid(), max_entries=args.count)
    descends = args.level is None or level + 1 < args.level
    for chunk in jobs.chunks():
        for record in chunk:
            if descends and is_with_child(record):
                continue  # it is shown where it runs
            uri = annotation(record, "user", "uri")
            child = Node(_label(record, instance=bool(uri)), tuple(_text(record, name) for name in DETAILS))
            node.children.append(child)
            if uri and record["state"] == 16 and descends:
                try:
                    with Handle(uri) as nested:
                        _grow(nested, child, args, level + 1)
                except BournError:
                    child.label += " (gone)"  # it has ended since, or is on another host


def _label(record: Record, *, instance: bool) -> str:
    name = str(record.get("name") or "?")
    status = str(field("status_abbrev")[1](record))
    return name if instance and status == "R" else f"{name}:{status}"


def _text(record: Record, name: str) -> str:
    value = field(name)[1](record)
    if name == "runtime":
        from bourn.cli.format import short_duration

        return short_duration(value) if value else "-"
    return str(value)


def _merge(node: Node) -> None:
    """Put equal jobs that follow one another into one line, as `4*[sleep:R]`."""
    merged = []
    for _, equal in groupby(
        node.children, key=lambda child: (child.label, id(child) if child.children else 0)
    ):
        alike = list(equal)
        if len(alike) > 1:
            alike[0].label = f"{len(alike)}*[{alike[0].label}]"
        merged.append(alike[0])
    node.children = merged
    for child in merged:
        _merge(child)


def _print(node: Node, lead: str, branch: str, args: argparse.Namespace) -> None:
    columns = ""
    if args.extended:
        columns = _columns(node.details or [""] * len(DETAILS))
    print(f"{columns}{lead}{branch}{node.label}".rstrip())
    inner = lead + {"": "", "├── ": "│   ", "└── ": "    "}[branch]
    for child in node.children:
        _print(child, inner, "└── " if child is node.children[-1] else "├── ", args)


def _columns(values: tuple[str, ...] | list[str]) -> str:
    id, user, status, *numbers = values
    return f"{id:>12} {user:<8.8} {status:>2} " + " ".join(f"{text:>7}" for text in numbers) + " "
