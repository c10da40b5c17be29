"""`bourn job` wait, status, wait-event: until jobs have come so far."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from bourn.cli.eventprint import LOGS, EventPrinter, add_event_options
from bourn.client import job
from bourn.client.array import JobArray
from bourn.client.events import watch_log
from bourn.client.handle import Handle
from bourn.errors import BournError, RPCError
from bourn.model.duration import parse_duration
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from bourn.cli.parser import Commands
    from bourn.client.jobfields import JobInfo


def add_commands(commands: Commands) -> None:
    """Add the sub-commands."""
    command = commands.add("wait", "wait until waitable jobs have ended")
    command.add_argument("-a", "--all", action="store_true", help="wait for all waitable jobs")
    command.add_argument("-v", "--verbose", action="store_true", help="print how each job ended")
    command.add_argument("jobid", nargs="?", metavar="JOBID", help="(default: the next one that ends)")
    command.set_defaults(run=_wait)
    command = commands.add("status", "wait until jobs have ended, and exit with the worst status")
    command.add_argument("-v", "--verbose", action="count", default=0, help="print how each job ended")
    command.add_argument("-e", "--exception-exit-code", type=int, default=1, metavar="N", help="(1)")
    command.add_argument("--json", action="store_true", help="print how each job ended, as JSON")
    command.add_argument("jobids", nargs="+", metavar="JOBID")
    command.set_defaults(run=_status)
    command = commands.add("wait-event", "wait until a job has posted an event")
    add_event_options(command)
    command.add_argument(
        "-p", "--path", default="eventlog", metavar="PATH", help="another log, as exec or output"
    )
    command.add_argument("-t", "--timeout", metavar="FSD", help="give up after this time")
    command.add_argument("-c", "--count", type=int, default=1, metavar="N", help="the Nth such event")
    command.add_argument("-m", "--match-context", metavar="KEY=VALUE", help="with this in its context")
    command.add_argument("-q", "--quiet", action="store_true", help="print nothing")
    command.add_argument("-v", "--verbose", action="store_true", help="print the events before it, too")
    command.add_argument("jobid", metavar="JOBID")
    command.add_argument("event", metavar="NAME")
    command.set_defaults(run=_wait_event)


def _wait(args: argparse.Namespace) -> int:
    if args.all and args.jobid:
        raise BournError("name a job, or say --all")
    status = 0
    with Handle() as h:
        while True:
            try:
                found = job.wait(h, None if args.jobid is None else JobID.parse(args.jobid))
            except RPCError as error:
                if args.all and error.errnum == 10:  # ECHILD: that was the last one
                    return status
                raise
            if args.jobid is None and not args.all:
                print(found.jobid)
            if not found.success:
                status = 1
                print(f"bourn-job: {found.jobid}: {found.errstr}", file=sys.stderr)
            elif args.verbose:
                print(f"{found.jobid}: job completed successfully")
            if not args.all:
                return status


def _status(args: argparse.Namespace) -> int:
    worst = 0
    with Handle() as h:
        for word in args.jobids:
            id = JobID.parse(word)
            try:
                info = job.result(h, id)
            except RPCError:
                array = _array(h, id)
                if array is None:
                    raise
                worst = max(worst, _array_status(h, array, args))
                continue
            worst = max(worst, _exit_code(info, args))
            if args.json:
                print(json.dumps(info.to_dict(), ensure_ascii=False))
            elif args.verbose:
                print(f"{info.id}: {info.status}: {info.inactive_reason}")
    return worst


def _exit_code(info: JobInfo, args: argparse.Namespace) -> int:
    code: int = info.returncode
    if code < 0:
        return int(args.exception_exit_code) if code == -128 else 128 - code
    return code


def _array(h: Handle, id: JobID) -> JobArray | None:
    """Return the job array of this id, if there is one."""
    try:
        return JobArray.get(h, id)
    except BournError:
        return None


def _array_status(h: Handle, array: JobArray, args: argparse.Namespace) -> int:
    """Wait for all members; return the worst status among them."""
    result = array.wait(h)
    if args.json:
        record = {"id": int(array.id), "members": str(array.members), "success": result.success}
        print(json.dumps({**record, "counts": result.counts}))
    elif args.verbose:
        ended = ", ".join(f"{count} {name}" for name, count in result.counts.items() if count)
        print(f"{array}: {ended}")
    if result.success:
        return 0
    bad = array.jobs(h, filters="failed,canceled,timeout")
    return max(_exit_code(info, args) for info in bad)


def _wait_event(args: argparse.Namespace) -> int:
    timeout = parse_duration(args.timeout) if args.timeout else None
    id = JobID.parse(args.jobid)
    key, equals, value = (args.match_context or "").partition("=")
    if args.match_context and not equals:
        raise BournError(f"--match-context={args.match_context}: must be KEY=VALUE")
    printer = EventPrinter(args.format, args.time_format)
    left = args.count
    with Handle() as h:
        try:
            for event in watch_log(h, id, LOGS.get(args.path, args.path), timeout=timeout):
                line = printer.line(event)
                if event["name"] == args.event and _matches(event, key, value):
                    left -= 1
                    if left == 0:
                        if not args.quiet:
                            print(line)
                        return 0
                if args.verbose and not args.quiet:
                    print(line, flush=True)
        except TimeoutError:
            raise BournError(f"no event '{args.event}' within {args.timeout}") from None
    raise BournError(f"event '{args.event}' was never posted")


def _matches(event: Mapping[str, Any], key: str, value: str) -> bool:
    if not key:
        return True
    found = event.get("context", {}).get(key)
    return found is not None and (found == value or json.dumps(found) == value)
