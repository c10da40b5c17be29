"""`bourn resubmit`: submit jobs again, and of arrays the members that failed."""

from __future__ import annotations

import sys

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.client.resubmit import FAILED, RESULTS, resubmit


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn resubmit",
        usage="bourn resubmit [OPTIONS] JOBID...",
        description="Submit jobs again that have ended, as they were, and print the new ids. Of a job array "
        "the members that failed, as a new array in which they have the same numbers.",
    )
    add = parser.add_argument
    add("--failed", action="store_true", help="only what failed or ran out of time (an array's default)")
    add("--canceled", action="store_true", help="what was canceled (as well)")
    add("--all", action="store_true", help="whatever the result, also of members of arrays")
    add(
        "--exit",
        metavar="LIST",
        help="only after these ends: exit statuses (75,10-20), signals, exit, signal, node, exec, timeout",
    )
    add("--urgency", metavar="N", help="0-31, hold, expedite or default (as before)")
    add("-q", "--quiet", action="store_true", help="print no id")
    add("jobids", nargs="+", metavar="JOBID")
    args = parser.parse_args(argv)
    on = urgency = results = None
    if args.exit:
        from bourn.model.retry import parse_retry_on

        on = parse_retry_on(args.exit, "--exit")
    if args.urgency:
        from bourn.cli.jobspec_args import parse_urgency

        urgency = parse_urgency(args.urgency)
    if args.all:
        results = list(RESULTS)
    elif args.failed or args.canceled:
        results = [*(FAILED if args.failed else ()), *(["canceled"] if args.canceled else ())]
    with Handle() as h:
        for word in args.jobids:
            id = resubmit(h, word, results, on, urgency)
            if id is None:
                print(f"bourn-resubmit: {word}: nothing to submit again", file=sys.stderr)
            elif not args.quiet:
                print(id)
    return 0
