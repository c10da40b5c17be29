"""`bourn job submit`: a jobspec from a file, as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bourn.cli.jobspec_args import flags, urgency

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Commands


def add_commands(commands: Commands) -> None:
    """Add the sub-command."""
    command = commands.add("submit", "submit a jobspec, JSON or YAML, as it is")
    command.add_argument("-u", "--urgency", metavar="N", help="0 to 31, hold, expedite or default (16)")
    command.add_argument(
        "-f", "--flags", metavar="FLAGS", help="comma-separated: debug, waitable, novalidate"
    )
    command.add_argument("file", nargs="?", default="-", metavar="FILE", help="(default: standard input)")
    command.set_defaults(run=_submit)


def _submit(args: argparse.Namespace) -> int:
    from bourn.client.handle import Handle
    from bourn.client.submission import Submission
    from bourn.model.jobspec import Jobspec

    number, mask = urgency(args), flags(args)
    spec = (
        Jobspec.from_yaml_stream(sys.stdin, "<stdin>")
        if args.file == "-"
        else Jobspec.from_yaml_file(args.file)
    )
    submission = Submission()
    submission.add(spec, urgency=number, flags=mask)
    with Handle() as h:
        (id,) = submission.send(h)
    print(id)
    return 0
