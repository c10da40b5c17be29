"""`bourn update`: change attributes of a job that hasn't started, or the time limit of one that runs."""

from __future__ import annotations

import sys
from typing import Any

from bourn.cli.jobspec_args import parse_time_limit, parse_value
from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError
from bourn.model.jobid import JobID
from bourn.model.jobspec_build import attr_key

NAMES = {"name": "attributes.system.job.name"}
"""Short keys that aren't those of `attributes.system`."""


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(prog="bourn update", description="Change attributes of a job.")
    parser.add_argument("-n", "--dry-run", action="store_true", help="print the update and don't send it")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the update")
    parser.add_argument("jobid", metavar="JOBID")
    parser.add_argument(
        "updates", nargs="+", metavar="KEY=VALUE", help="as duration=+10m, queue=batch, name=app"
    )
    args = parser.parse_args(argv)
    id = JobID.parse(args.jobid)
    with Handle() as h:
        updates: dict[str, Any] = {}
        for text in args.updates:
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise BournError(f"'{text}' must be KEY=VALUE")
            path = NAMES.get(key) or attr_key(key)
            updates[path] = _duration(h, id, value) if path.endswith(".duration") else parse_value(value)
        if args.verbose or args.dry_run:
            for path, value in updates.items():
                print(f"{path}={value}", file=sys.stdout if args.dry_run else sys.stderr)
        if not args.dry_run:
            h.rpc("job-manager.update", {"id": int(id), "updates": updates}).get()
    return 0


def _duration(h: Handle, id: JobID, text: str) -> float:
    """Return the seconds that `+FSD`, `-FSD` (relative to what the job has) or `FSD` mean; 0 is no limit."""
    if text[:1] not in ("+", "-"):
        seconds = parse_time_limit(text)
        return 0.0 if seconds == float("inf") else seconds
    from bourn.client.job import lookup

    now = lookup(h, id, "jobspec")["attributes"]["system"].get("duration", 0.0)
    if not now:
        raise BournError(f"job {id} has no time limit to add to")
    change = parse_time_limit(text[1:])
    seconds = now + change if text[0] == "+" else now - change
    if seconds <= 0:
        raise BournError(f"the time limit of job {id} is {now:g} s; {text} would leave nothing")
    return float(seconds)
