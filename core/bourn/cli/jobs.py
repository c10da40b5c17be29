"""`bourn jobs`: list jobs, as they arrive."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.format import Template, named
from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.client.jobfields import attrs_of, field, to_dict
from bourn.client.joblist import JobList

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
}
DEFAULT_FILTER = "pending,running"


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
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="bourn jobs", description="List jobs: your pending and running ones, unless options say more."
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
    add("-o", "--format", default="default", help=f"a format string, or one of {', '.join(FORMATS)}")
    add("--sort", metavar="FIELDS", help="sort by fields; -FIELD for the reverse")
    add("--json", action="store_true", help="print JSON")
    add("--stats", action="store_true", help="print counts of jobs first")
    add("--stats-only", action="store_true", help="print counts of jobs only")
    add("--members", action="store_true", help="list the members of job arrays, not the arrays")
    add("-R", "--recursive", action="store_true", help="list the jobs of nested instances, too")
    add("jobids", nargs="*", metavar="JOBID", help="only these jobs")
    return parser


def _query(h: Handle, args: argparse.Namespace, attrs: Iterable[str]) -> JobList:
    from bourn.cli.select import userid

    if args.jobids and not args.members:
        from bourn.model.jobid import JobID

        return JobList(h, attrs=list(attrs), ids=[JobID.parse(word) for word in args.jobids])
    array = None
    if args.jobids:
        from bourn.errors import BournError
        from bourn.model.jobid import JobID

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


def _print_table(h: Handle, args: argparse.Namespace) -> None:
    template = Template(named(args.format, FORMATS), field)
    sort = args.sort.split(",") if args.sort else []
    names = {column.name for column in template.columns} | {key.lstrip("-") for key in sort}
    attrs = attrs_of(names)
    chunks = _query(h, args, attrs).chunks()
    if sort:
        chunks = iter([_sorted(sort, chunks)])
    first = next(chunks, [])
    template.fit(first)
    write = sys.stdout.write
    if not args.no_header:
        write(template.header() + "\n")
    chunk: list[Record] | None = first
    while chunk:
        write("\n".join(template.rows(chunk)) + "\n")
        chunk = next(chunks, None)
    if args.recursive:
        _recurse(h, args)


def _sorted(keys: list[str], chunks: Iterator[list[Record]]) -> list[Record]:
    records = [record for chunk in chunks for record in chunk]
    for key in reversed(keys):
        get = field(key.lstrip("-"))[1]
        # A job without the field comes last, whatever the others are compared by.
        records.sort(
            key=lambda record: ((value := get(record)) == "", value if value != "" else 0),
            reverse=key.startswith("-"),
        )
    return records


def _print_json(h: Handle, args: argparse.Namespace) -> None:
    """Print `{"jobs": [...]}`, a job a line, as they arrive; one job that was asked for by its id by
    itself.
    """
    chunks = _query(h, args, ["all"]).chunks()
    if len(args.jobids) == 1 and not args.members:
        print(json.dumps(to_dict(next(chunks)[0]), ensure_ascii=False))
        return
    if args.sort:
        chunks = iter([_sorted(args.sort.split(","), chunks)])
    sys.stdout.write('{"jobs": [')
    separator = "\n"
    for chunk in chunks:
        for record in chunk:
            sys.stdout.write(separator + json.dumps(to_dict(record), ensure_ascii=False))
            separator = ",\n"
    sys.stdout.write("\n]}\n")


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


def _recurse(h: Handle, args: argparse.Namespace, path: str = "") -> None:
    """List the jobs of running jobs that are instances, to any depth: they tell their address."""
    from argparse import Namespace

    from bourn.errors import BournError
    from bourn.model.jobid import JobID

    inner = Namespace(**{**vars(args), "jobids": [], "recursive": False})
    for chunk in JobList(h, attrs=["annotations"], filters="running", user=os.getuid()).chunks():
        for record in chunk:
            uri = ((record.get("annotations") or {}).get("user") or {}).get("uri")
            if not uri:
                continue
            try:
                child = Handle(uri)
            except BournError:
                continue  # it has ended since, or is on another host
            with child:
                where = f"{path}{JobID(record['id'])}"
                print(f"\n{where}:")
                _print_table(child, inner)
                _recurse(child, args, f"{where}/")
