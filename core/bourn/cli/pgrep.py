"""`bourn pgrep` and `bourn pkill`: find jobs by name, and cancel them."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.format import Template, named
from bourn.cli.jobs import FORMATS
from bourn.cli.parser import Parser
from bourn.client import job
from bourn.client.handle import Handle
from bourn.client.jobfields import attrs_of, field
from bourn.client.joblist import JobList
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def main(argv: list[str]) -> int:
    """Print the ids of jobs whose names match."""
    parser = _parser("pgrep", "Find jobs by name.")
    parser.add_argument("-n", "--no-header", action="store_true", help="print no headings")
    parser.add_argument(
        "-o", "--format", default="{id}", help=f"a format string, or one of {', '.join(FORMATS)}"
    )
    args = parser.parse_args(argv)
    template = Template(named(args.format, FORMATS), field)
    with Handle() as h:
        found = _matching(h, args, attrs_of(column.name for column in template.columns))
    if not found:
        return 1
    template.fit(found)
    if args.format != "{id}" and not args.no_header:
        print(template.header())
    print("\n".join(template.rows(found)))
    return 0


def pkill(argv: list[str]) -> int:
    """Cancel jobs whose names match."""
    parser = _parser("pkill", "Cancel jobs by name.")
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="a reason that the users see")
    parser.add_argument("--wait", action="store_true", help="wait until they have ended")
    args = parser.parse_args(argv)
    with Handle() as h:
        ids = [JobID(record["id"]) for record in _matching(h, args, ["id"])]
        if not ids:
            print("bourn-pkill: no job matches", file=sys.stderr)
            return 1
        job.raise_jobs_async(h, ids, "cancel", 0, args.message).get()
        if args.wait:
            for id in ids:
                job.result(h, id)
    print(f"bourn-pkill: Canceled {len(ids)} job{'s' if len(ids) != 1 else ''}", file=sys.stderr)
    return 0


def _parser(verb: str, description: str) -> Parser:
    parser = Parser(prog=f"bourn {verb}", description=description)
    parser.add_argument("-A", action="store_true", dest="everyone", help="jobs of all users")
    parser.add_argument("-u", "--user", metavar="USER", help="jobs of a user")
    parser.add_argument("-q", "--queue", metavar="NAMES", help="jobs of these queues")
    parser.add_argument(
        "-f", "--filter", default="pending,running", metavar="STATES", help="(pending,running)"
    )
    parser.add_argument("-a", dest="filter", action="store_const", const="", help="jobs in any state")
    parser.add_argument("pattern", metavar="PATTERN|ID..ID", help="regular expression, or a range of ids")
    return parser


def _matching(h: Handle, args: argparse.Namespace, attrs: list[str]) -> list[dict[str, Any]]:
    from bourn.cli.select import userid

    listing = JobList(
        h,
        attrs=[*attrs, "name", "id"],
        filters=args.filter,
        user=None if args.everyone else userid(args.user) if args.user else os.getuid(),
        queue=args.queue,
    )
    test = _test(args.pattern)
    return [record for chunk in listing.chunks() for record in chunk if test(record)]


def _test(pattern: str) -> Callable[[dict[str, Any]], bool]:
    first, dots, last = pattern.partition("..")
    if dots and (first or last):
        try:
            low = JobID.parse(first) if first else 0
            high = JobID.parse(last) if last else 1 << 64
            return lambda record: low <= record["id"] <= high
        except BournError:
            pass  # then it is a regular expression
    try:
        expression = re.compile(pattern.removeprefix("name:"))
    except re.error as error:
        raise BournError(f"bad regular expression '{pattern}': {error}") from None
    return lambda record: expression.search(record.get("name") or "") is not None
