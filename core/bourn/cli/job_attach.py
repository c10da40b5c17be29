"""`bourn job attach`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.cli.attach import Attach
from bourn.cli.terminal import is_interactive
from bourn.client import job
from bourn.client.handle import Handle
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Commands


def add_commands(commands: Commands) -> None:
    """Add the sub-command."""
    command = commands.add("attach", "show a job's output, give it input, and exit with its status")
    add = command.add_argument
    add("-E", "--show-events", action="store_true", help="show the job's events")
    add("-X", "--show-exec", action="store_true", help="show the events of its execution")
    add("-w", "--wait-event", default="finish", metavar="NAME", help="stay until this event (finish)")
    add("-l", "--label-io", action="store_true", help="put the task's rank before each line of output")
    add("-u", "--unbuffered", action="store_true", help="(output is never held back here)")
    add("-i", "--stdin-ranks", default="all", metavar="TASKS", help="tasks that get the input (all)")
    add("-r", "--read-only", action="store_true", help="give it neither input nor signals")
    add("jobid", metavar="JOBID")
    command.set_defaults(run=_attach)


def _attach(args: argparse.Namespace) -> int:
    id = JobID.parse(args.jobid)
    with Handle() as h:
        return Attach(
            h,
            id,
            label=args.label_io,
            stdin_ranks=args.stdin_ranks,
            show_events=args.show_events,
            show_exec=args.show_exec,
            wait_event=args.wait_event,
            read_only=args.read_only,
            terminal=is_interactive(job.lookup(h, id, "jobspec") or {}),
        ).run()
