"""How cancel, killall, pgrep and pkill choose jobs: by id, or by user, state, queue and name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.client.joblist import JobList
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Parser
    from bourn.client.handle import Handle


def add_selection(parser: Parser) -> None:
    """Add the options, and job ids as arguments."""
    parser.add_argument("--all", action="store_true", help="all of your active jobs")
    parser.add_argument("-u", "--user", metavar="USER", help="active jobs of a user, or of `all`")
    parser.add_argument(
        "-S", "--states", metavar="STATES", help="active, pending, running, or a list of states"
    )
    parser.add_argument("--queue", metavar="NAME", help="jobs of a queue")
    parser.add_argument("--name", metavar="NAME", help="jobs of a name")
    parser.add_argument("jobids", nargs="*", metavar="JOBID")


def userid(text: str | None) -> int | None:
    """Return the number of a user given by name or number; None is the caller, `all` everyone (None
    returned).
    """
    if text is None:
        return os.getuid()
    if text == "all":
        return None
    if text.isdigit():
        return int(text)
    import pwd

    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise BournError(f"no such user '{text}'") from None


def selected(h: Handle, args: argparse.Namespace) -> list[JobID]:
    """Return the ids of the active jobs that the options choose."""
    listing = JobList(
        h,
        attrs=["id"],
        user=userid(args.user),
        filters=args.states or "active",
        queue=args.queue,
        name=args.name,
    )
    return [JobID(record["id"]) for chunk in listing.chunks() for record in chunk]
