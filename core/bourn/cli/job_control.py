"""`bourn job` urgency, raise, kill, killall, raiseall, purge, memo: change jobs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.each import each
from bourn.client import job
from bourn.client.handle import Handle
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Commands


def add_commands(commands: Commands) -> None:
    """Add the sub-commands."""
    command = commands.add("urgency", "change a job's urgency")
    command.add_argument("-v", "--verbose", action="store_true", help="print the old and the new one")
    command.add_argument("jobid", metavar="JOBID")
    command.add_argument("urgency", metavar="URGENCY", help="0 to 31, hold, expedite or default")
    command.set_defaults(run=_urgency)
    command = commands.add("raise", "raise an exception on jobs")
    _exception_options(command)
    command.add_argument("jobids", nargs="+", metavar="JOBID")
    command.set_defaults(run=_raise)
    command = commands.add("cancel", "cancel jobs")
    command.add_argument("-m", "--message", default="", metavar="TEXT", help="a reason that the user sees")
    command.add_argument("jobids", nargs="+", metavar="JOBID")
    command.set_defaults(run=_raise, type="cancel", severity=0)
    command = commands.add("raiseall", "raise an exception on many jobs")
    command.add_argument("type", metavar="TYPE")
    command.add_argument("message", nargs="*", metavar="TEXT")
    command.add_argument("-s", "--severity", type=int, default=0, help="0 (default) ends a job, to 7")
    _many_options(command)
    command.set_defaults(run=_raise_all)
    command = commands.add("kill", "send a signal to jobs")
    command.add_argument("-s", "--signal", default="TERM", metavar="SIG", help="name or number (TERM)")
    command.add_argument("jobids", nargs="+", metavar="JOBID")
    command.set_defaults(run=_kill)
    command = commands.add("killall", "send a signal to many running jobs")
    command.add_argument("-s", "--signal", default="TERM", metavar="SIG", help="name or number (TERM)")
    _many_options(command)
    command.set_defaults(run=_kill_all)
    command = commands.add("purge", "forget inactive jobs")
    command.add_argument("--age-limit", metavar="FSD", help="those that have been inactive for longer")
    command.add_argument("--num-limit", type=int, metavar="N", help="all but the newest N")
    command.add_argument("-f", "--force", action="store_true", help="do it; without, only count them")
    command.add_argument("jobids", nargs="*", metavar="JOBID")
    command.set_defaults(run=_purge)
    command = commands.add("memo", "note something about a job")
    command.add_argument("--volatile", action="store_true", help="don't keep it in the eventlog")
    command.add_argument("jobid", metavar="JOBID")
    command.add_argument(
        "notes", nargs="+", metavar="KEY=VALUE", help="VALUE is JSON or text; `-KEY` removes one"
    )
    command.set_defaults(run=_memo)


def _exception_options(command: Any) -> None:
    command.add_argument("-s", "--severity", type=int, default=0, help="0 (default) ends the job, to 7")
    command.add_argument("-t", "--type", default="cancel", help="kind of exception (cancel)")
    command.add_argument("-m", "--message", default="", metavar="TEXT", help="a note")


def _many_options(command: Any) -> None:
    command.add_argument("-u", "--user", metavar="USER", help="jobs of a user, or of `all` (default: yours)")
    command.add_argument(
        "-S", "--states", metavar="STATES", default="active", help="active, pending, running ..."
    )
    command.add_argument("-f", "--force", action="store_true", help="do it; without, only count them")
    command.set_defaults(queue=None, name=None)


def _urgency(args: argparse.Namespace) -> int:
    from bourn.cli.jobspec_args import parse_urgency

    id = JobID.parse(args.jobid)
    urgency = parse_urgency(args.urgency)
    with Handle() as h:
        reply = h.rpc("job-manager.urgency", {"id": int(id), "urgency": urgency}).get()
    if args.verbose:
        print(
            f"job {args.jobid}: urgency {(reply or {}).get('old_urgency', '?')} -> {urgency}", file=sys.stderr
        )
    return 0


def _raise(args: argparse.Namespace) -> int:
    with Handle() as h:
        return each(
            "bourn-job",
            args.jobids,
            lambda id: job.raise_async(h, id, args.type, args.severity, args.message),
        )


def _kill(args: argparse.Namespace) -> int:
    from bourn.cli.jobspec_args import parse_signal

    signum = parse_signal(args.signal)
    with Handle() as h:
        return each("bourn-job", args.jobids, lambda id: job.kill_async(h, id, signum))


def _many(h: Handle, args: argparse.Namespace, what: str) -> list[JobID]:
    """Return the chosen jobs; without --force say how many they are, and return none."""
    from bourn.cli.select import selected

    ids = selected(h, args)
    if ids and not args.force:
        print(f"bourn-job: Command matched {len(ids)} jobs (-f to {what} them)", file=sys.stderr)
        return []
    if not ids:
        print("bourn-job: Command matched 0 jobs", file=sys.stderr)
    return ids


def _raise_all(args: argparse.Namespace) -> int:
    with Handle() as h:
        ids = _many(h, args, "raise an exception on")
        if ids:
            job.raise_jobs_async(h, ids, args.type, args.severity, " ".join(args.message)).get()
    return 0


def _kill_all(args: argparse.Namespace) -> int:
    from bourn.cli.jobspec_args import parse_signal

    signum = parse_signal(args.signal)
    if args.states == "active":
        args.states = "running"
    with Handle() as h:
        return each("bourn-job", _many(h, args, "signal"), lambda id: job.kill_async(h, id, signum))


def _purge(args: argparse.Namespace) -> int:
    payload: dict[str, Any] = {"force": args.force}
    if args.jobids:
        payload["ids"] = [int(JobID.parse(word)) for word in args.jobids]
    if args.age_limit:
        from bourn.model.duration import parse_duration

        payload["age_limit"] = parse_duration(args.age_limit)
    if args.num_limit is not None:
        payload["num_limit"] = args.num_limit
    with Handle() as h:
        reply = h.rpc("job-manager.purge", payload).get()
    if args.force:
        print(f"purged {reply['count']} inactive jobs")
    else:
        print(f"use --force to purge {reply['count']} of {reply.get('total', reply['count'])} inactive jobs")
    return 0


def _memo(args: argparse.Namespace) -> int:
    from bourn.cli.jobspec_args import parse_value

    memo: dict[str, Any] = {}
    for text in args.notes:
        key, equals, value = text.partition("=")
        if equals:
            memo[key] = parse_value(value)
        elif text.startswith("-"):
            memo[text[1:]] = None
        else:
            raise BournError(f"'{text}' must be KEY=VALUE, or -KEY to remove one")
    with Handle() as h:
        payload = {"id": int(JobID.parse(args.jobid)), "memo": memo, "volatile": args.volatile}
        h.rpc("job-manager.memo", payload).get()
    return 0
