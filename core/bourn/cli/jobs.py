"""`bourn jobs`: list jobs, as they arrive."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.format import Template, named, plain
from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.client.jobfields import annotation, attrs_of, field, is_with_child, to_dict
from bourn.client.joblist import JobList
from bourn.errors import BournError
from bourn.model.jobid import JobID
from bourn.model.states import State, job_status

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    Record = dict[str, Any]

_NAMES = "{id.f58:>12} ?:{queue:<8.8} {username:<8.8} {name:<10.10+} "
FORMATS = {
    "default": _NAMES
    + "{status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} {contextual_time!F:>8h} {contextual_info}",
    "long": _NAMES + "{status:>9.9} {ntasks:>6} {nnodes:>6h} {t_submit!d:%b%d %R::>12} "
    "{t_remaining!F:>12h} {contextual_time!F:>8h} {contextual_info}",
    "deps": "{id.f58:>12} ?:{queue:<8.8} {name:<10.10+} {urgency:<3} {priority:<12} "
    "{state:<8.8} {dependencies}",
    "endreason": _NAMES + "{status_abbrev:>2.2} {t_inactive!d:%b%d %R::>12h} {inactive_reason}",
    "usage": _NAMES
    + "{status_abbrev:>2.2} {ntasks:>6} {usage.wall!F:>8} {usage.cpu!F:>8} {usage.maxrss!B:>8}",
}
DEFAULT_FILTER = "pending,running"
COLOURS = {"failed": "31", "timeout": "31", "canceled": "33", "completed": "32", "cleanup": "36"}
"""Status -> SGR code of its line."""
INSTANCE = "1;34"
INDENT = "  "


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse_args(argv)
    with Handle() as h:
        if args.stats or args.stats_only:
            _print_stats(h)
            if args.stats_only:
                return 0
        if args.json:
            _print_json(h, args)
        else:
            _print_table(h, args)
            if args.recursive:
                _recurse(h, args)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="bourn jobs",
        description="List jobs: your pending and running ones, unless options say more.",
        epilog="Examples:\n"
        "  bourn jobs -a --since=-1h\n"
        "  bourn jobs -f failed --sort=-t_inactive\n"
        "  bourn jobs -o '{id} {name:<20} {runtime!H:>8}'\n"
        "`bourn help formats` explains formats and lists the fields.",
    )
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="jobs in any state")
    add("-A", action="store_true", dest="everyone", help="jobs of all users")
    add("-c", "--count", type=int, default=0, metavar="N", help="at most N jobs")
    add("-f", "--filter", metavar="STATES", help="states and results, as pending,failed")
    add("--since", metavar="WHEN", help="inactive jobs that ended later: -1h, 09:00, 2030-01-31")
    add("-n", "--no-header", action="store_true", help="print no headings")
    add("-u", "--user", metavar="USER", help="jobs of a user, by name or number, or of `all`")
    add("--name", metavar="NAME", help="jobs of this name")
    add("-q", "--queue", metavar="NAMES", help="jobs of these queues")
    add("-i", "--include", metavar="HOSTS|RANKS", help="jobs on these hosts or ranks")
    add("-o", "--format", default="default", help=f"a format string, or one of {', '.join(FORMATS)}, help")
    add("--sort", metavar="FIELDS", help="sort by fields; -FIELD for the reverse")
    add("--json", action="store_true", help="print JSON")
    add("--stats", action="store_true", help="print counts of jobs first")
    add("--stats-only", action="store_true", help="print counts of jobs only")
    add("--members", action="store_true", help="list the members of job arrays, not the arrays")
    add("-R", "--recursive", action="store_true", help="list the jobs of nested instances, too")
    add("-L", "--level", type=int, default=None, metavar="N", help="with -R, descend at most N levels")
    add("--color", choices=["auto", "always", "never"], default="auto", help="colour by status (auto)")
    add("jobids", nargs="*", metavar="JOBID", help="only these jobs")
    return parser


def _query(h: Handle, args: argparse.Namespace, attrs: Iterable[str]) -> JobList:
    from bourn.cli.select import userid

    if args.jobids and not args.members:
        return JobList(h, attrs=list(attrs), ids=[JobID.parse(word) for word in args.jobids])
    array = None
    if args.jobids:
        if len(args.jobids) > 1:
            raise BournError("--members lists those of one array")
        array = JobID.parse(args.jobids[0])
    since = 0.0
    if args.since:
        from bourn.cli.when import parse_when

        since = parse_when(args.since)
    filters = args.filter or ("" if args.all or args.since or array else DEFAULT_FILTER)
    hosts = ranks = None
    if args.include:
        if all(c in "0123456789-,[]" for c in args.include):
            ranks = args.include
        else:
            hosts = args.include
    return JobList(
        h,
        attrs=list(attrs),
        filters="inactive" if args.since and not (args.filter or args.all) else filters,
        user=None if args.everyone else userid(args.user) if args.user else os.getuid(),
        name=args.name,
        queue=args.queue,
        hosts=hosts,
        ranks=ranks,
        since=since,
        max_entries=args.count,
        arrays=not args.members,
        array=array,
    )


def _print_table(h: Handle, args: argparse.Namespace, level: int = 0) -> None:
    indent = INDENT * level
    template = Template(named(args.format, FORMATS), field)
    sort = _sort_keys(args)
    names = {column.name for column in template.columns} | {key.lstrip("-") for key in sort}
    colour = _coloured(args)
    more = ["result", "annotations"] if colour else ["annotations"] if args.recursive else []
    chunks = _here(_query(h, args, attrs_of([*names, *more])).chunks(), args, level)
    if sort:
        chunks = iter([_sorted(sort, chunks)])
    first = next(chunks, [])
    if indent and not first:
        return  # a nested instance without any
    template.fit(first)
    write = sys.stdout.write
    if not args.no_header:
        write(f"{indent}{template.header()}\n")
    chunk: list[Record] | None = first
    while chunk:
        rows: Iterable[str] = template.rows(chunk)
        if sys.stdout.isatty():
            rows = map(plain, rows)
        if colour:
            rows = [_paint(row, record) for row, record in zip(rows, chunk, strict=True)]
        write(f"{indent}" + f"\n{indent}".join(rows) + "\n")
        chunk = next(chunks, None)


def _here(chunks: Iterator[list[Record]], args: argparse.Namespace, level: int) -> Iterator[list[Record]]:
    """Leave out what a child of a hierarchy has, whose jobs are listed next."""
    if not args.recursive or args.jobids or (args.level is not None and level >= args.level):
        return chunks
    here = ([record for record in chunk if not is_with_child(record)] for chunk in chunks)
    return filter(None, here)


def _coloured(args: argparse.Namespace) -> bool:
    if args.color == "auto":
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return bool(args.color == "always")


def _paint(row: str, record: Record) -> str:
    """Return a line in the colour of its job's status; a running instance stands out."""
    status = job_status(record["state"], record.get("result") or 0).lower()
    is_instance = status == "run" and annotation(record, "user", "uri")
    code = INSTANCE if is_instance else COLOURS.get(status)
    return f"\x1b[{code}m{row}\x1b[m" if code else row


def _sort_keys(args: argparse.Namespace) -> list[str]:
    """Return the fields to sort by, with `-` where reversed; BournError for one that isn't there."""
    keys: list[str] = args.sort.split(",") if args.sort else []
    for key in keys:
        field(key.lstrip("-"))
    return keys


def _sorted(keys: list[str], chunks: Iterator[list[Record]]) -> list[Record]:
    records = [record for chunk in chunks for record in chunk]
    for key in reversed(keys):
        get = field(key.lstrip("-"))[1]
        known = [record for record in records if get(record) != ""]
        known.sort(key=get, reverse=key.startswith("-"))
        # A job without the field comes last, whatever the others are compared by.
        records = known + [record for record in records if get(record) == ""]
    return records


def _print_json(h: Handle, args: argparse.Namespace) -> None:
    """Print `{"jobs": [...]}`, a job a line, as they arrive; one job that was asked for by its id by itself.

    With --recursive an instance has its jobs as `jobs`.
    """
    chunks = _here(_query(h, args, ["all", "usage"]).chunks(), args, 0)
    if len(args.jobids) == 1 and not args.members:
        print(json.dumps(to_dict(next(chunks)[0]), ensure_ascii=False))
        return
    if keys := _sort_keys(args):
        chunks = iter([_sorted(keys, chunks)])
    sys.stdout.write('{"jobs": [')
    separator = "\n"
    for chunk in chunks:
        for record in chunk:
            obj = to_dict(record)
            if args.recursive:
                _nest(obj, record, args, 1)
            sys.stdout.write(separator + json.dumps(obj, ensure_ascii=False))
            separator = ",\n"
    sys.stdout.write("\n]}\n")


def _nest(obj: Record, record: Record, args: argparse.Namespace, level: int) -> None:
    """Add the jobs of the instance that a job is."""
    child = _instance(record, args, level)
    if child is None:
        return
    with child:
        obj["jobs"] = []
        for chunk in _here(_query(child, _inner(args), ["all", "usage"]).chunks(), args, level):
            for inner in chunk:
                obj["jobs"].append(to_dict(inner))
                _nest(obj["jobs"][-1], inner, args, level + 1)


def _print_stats(h: Handle) -> None:
    stats = h.rpc("job-list.stats").get()
    states = stats["job_states"]
    pending = states["depend"] + states["priority"] + states["sched"]
    running = states["run"] + states["cleanup"]
    print(
        f"{running} running, {stats['successful']} completed, {stats['failed'] + stats['timeout']} failed, "
        f"{pending} pending"
        + (f", {stats['canceled']} canceled" if stats["canceled"] else "")
        + (f", {stats['inactive_purged']} inactive purged" if stats.get("inactive_purged") else "")
    )


def _recurse(h: Handle, args: argparse.Namespace, path: str = "", level: int = 1) -> None:
    """List the jobs of running jobs that are instances, to any depth, below their paths."""
    for chunk in JobList(h, attrs=["annotations", "state"], filters="running", user=os.getuid()).chunks():
        for record in chunk:
            child = None if is_with_child(record) else _instance(record, args, level)
            if child is None:
                continue
            with child:
                where = f"{path}{JobID(record['id'])}"
                print(f"\n{INDENT * level}{where}:")
                _print_table(child, _inner(args), level)
                _recurse(child, args, f"{where}/", level + 1)


def _instance(record: Record, args: argparse.Namespace, level: int) -> Handle | None:
    """Connect to the instance that a running job is, by the address that it tells; None for any other."""
    uri = annotation(record, "user", "uri")
    if not uri or record["state"] != State.RUN or (args.level is not None and level > args.level):
        return None
    try:
        return Handle(uri)
    except BournError:
        return None  # it has ended since, or can't be reached from here


def _inner(args: argparse.Namespace) -> argparse.Namespace:
    """Return the options for a nested instance: the jobs that were named are of the outermost."""
    from argparse import Namespace

    return Namespace(**{**vars(args), "jobids": []})
