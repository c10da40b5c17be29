"""`bourn cancel`: cancel jobs by id, or all of a user's."""

from __future__ import annotations

import sys

from bourn.cli.each import each
from bourn.cli.parser import Parser
from bourn.cli.select import add_selection, selected
from bourn.client import job
from bourn.client.handle import Handle
from bourn.errors import BournError


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(prog="bourn cancel", description="Cancel jobs.")
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="a reason that the users see")
    parser.add_argument("-n", "--dry-run", action="store_true", help="only say which jobs it would be")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no count")
    add_selection(parser)
    args = parser.parse_args(argv)
    with Handle() as h:
        if args.jobids:
            return each(
                "bourn-cancel",
                args.jobids,
                lambda id: job.raise_async(h, id, "cancel", 0, args.message),
            )
        if not (args.all or args.states or args.user or args.queue or args.name):
            raise BournError("name jobs, or --all, --user, --states, --queue or --name")
        ids = selected(h, args)
        if args.dry_run:
            print(f"Would cancel {len(ids)} jobs", file=sys.stderr)
            return 0
        if ids:
            job.raise_jobs_async(h, ids, "cancel", 0, args.message).get()
        if not args.quiet:
            print(f"Canceled {len(ids)} jobs", file=sys.stderr)
    return 0
