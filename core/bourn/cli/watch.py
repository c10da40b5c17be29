"""`bourn watch`: follow jobs that are there already, until they have finished."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from bourn.cli.follow import Follower
from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.client.joblist import JobList
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn watch",
        description="Follow jobs until they have finished; exit with the worst status.\n"
        "Ctrl-C ends the watching and leaves the jobs alone.",
        epilog="Examples:\n  bourn watch $(bourn job last)\n  bourn watch --active --progress --jps",
    )
    add = parser.add_argument
    add("-a", "--active", action="store_true", help="your active jobs (default without a job id)")
    add("-A", "--all", action="store_true", help="your jobs in any state: of those that ended, the output")
    add("-f", "--filter", metavar="STATES", help="your jobs in these states")
    add("-c", "--count", type=int, default=0, metavar="N", help="at most N jobs")
    add("--since", metavar="WHEN", help="with inactive ones that ended later: -1h, 09:00")
    add("--progress", action="store_true", help="show a progress bar")
    add("--jps", action="store_true", help="show jobs per second; means --progress")
    add(
        "-l",
        "--label-io",
        action="store_true",
        help="put the task's rank, and of several jobs the id, before each line",
    )
    add("-v", "--verbose", action="count", default=0, help="say more; twice shows the jobs' events")
    add("jobids", nargs="*", metavar="JOBID")
    args = parser.parse_args(argv)
    args.watch, args.wait, args.quiet, args.wait_event = True, True, True, None
    args.log = args.log_stderr = None
    with Handle() as h:
        ids = [JobID.parse(word) for word in args.jobids] or _ids(h, args)
        if not ids:
            raise BournError("there are no jobs to watch")
        print(f"bourn-watch: watching {len(ids)} job{'s' if len(ids) > 1 else ''}", file=sys.stderr)
        return Follower(h, args).follow(ids)


def _ids(h: Handle, args: argparse.Namespace) -> list[JobID]:
    since = 0.0
    filters = args.filter or ("" if args.all else "active")
    if args.since:
        from bourn.cli.when import parse_when

        since = parse_when(args.since, time.time())
        filters = args.filter or ""
    listing = JobList(h, attrs=["id"], filters=filters, user=os.getuid(), since=since, max_entries=args.count)
    return [JobID(record["id"]) for chunk in listing.chunks() for record in chunk]
