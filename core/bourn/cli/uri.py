"""`bourn uri` and `bourn proxy`: find other instances, and run commands against them."""

from __future__ import annotations

import os
from argparse import REMAINDER

from bourn.cli import address
from bourn.cli.parser import Parser

TARGET = "a job id (or ID/ID of nested ones), pid:N, a run directory or socket, or an address"


def main(argv: list[str]) -> int:
    """Print the address of an instance."""
    parser = Parser(prog="bourn uri", description="Print the address of an instance.")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--local", action="store_true", help="print an address for this host (local://)")
    form.add_argument("--remote", action="store_true", help="print an address that names the host (ssh://)")
    parser.add_argument("--wait", action="store_true", help="of a job: wait until its instance is up")
    parser.add_argument("target", metavar="TARGET", help=TARGET)
    args = parser.parse_args(argv)
    if args.wait:
        _wait(args.target)
    uri = address.resolve(args.target)
    print(address.local(uri) if args.local else address.remote(uri) if args.remote else uri)
    return 0


def proxy(argv: list[str]) -> int:
    """Run a command, or a shell, with BOURN_URI set to an instance."""
    parser = Parser(
        prog="bourn proxy",
        usage="bourn proxy TARGET [COMMAND...]",
        description="Run a command, or your shell, against another instance.",
    )
    parser.add_argument("target", metavar="TARGET", help=TARGET)
    parser.add_argument("command_line", nargs=REMAINDER, metavar="COMMAND", help="default: your shell")
    args = parser.parse_args(argv)
    from bourn.client.handle import Handle

    with Handle(address.resolve(args.target)) as h:
        uri = h.uri  # there is somebody
    words = args.command_line
    if words[:1] == ["--"]:
        words = words[1:]
    words = words or [os.environ.get("SHELL") or "/bin/sh"]
    os.execvpe(words[0], words, {**os.environ, "BOURN_URI": uri})


def parent(argv: list[str]) -> int:
    """Run a command of `bourn` against the instance above (`bourn --parent VERB ...`)."""
    from bourn.cli.main import main as run
    from bourn.client.handle import Handle
    from bourn.errors import BournError

    if not argv or argv[0] in ("-h", "--help"):
        print(
            "usage: bourn --parent COMMAND [OPTIONS]\n\nRun a command of bourn against the instance above; "
            "--parent --parent COMMAND against that above it."
        )
        return 0
    with Handle() as h:
        try:
            above = h.attr_get("parent-uri")
        except BournError:
            raise BournError("this instance has no parent") from None
    with Handle(above) as h:
        os.environ["BOURN_URI"] = h.uri
    return run(argv)


def _wait(target: str) -> None:
    from bourn.cli.nest import wait_for_uri
    from bourn.client.handle import Handle
    from bourn.model.jobid import JobID

    uri: str | None = None
    for text in target.removeprefix("jobid:").strip("/").split("/"):
        with Handle(uri) as h:
            uri = wait_for_uri(h, JobID.parse(text))
