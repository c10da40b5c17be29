"""`bourn top`: an instance in full screen, its resources, counts and jobs as they change; down into the
instances that some of the jobs are.

`model` knows the jobs, `view` draws, `app` has the keys, `session` talks to an instance, `screen` to the
terminal.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.cli.top.model import SORTS
from bourn.cli.top.view import FORMAT, View, printed, summary
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse

    from bourn.cli.top.model import TopModel


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn top",
        description="Show an instance's resources and jobs as they change; h explains the keys.",
        epilog="Examples:\n"
        "  bourn top -f 'user=me name=sim'\n"
        "  bourn top $(bourn job last)\n"
        "  bourn top --once",
    )
    add = parser.add_argument
    add("-1", "--once", action="store_true", help="print it once, as plain text, and end")
    add(
        "-f",
        "--filter",
        default="",
        metavar="TEXT",
        help="show these: state=running user=me queue=batch name=sim",
    )
    add("-o", "--format", default="", metavar="FORMAT", help="columns, as of bourn jobs -o")
    add("--sort", default="state", metavar="FIELD", help=f"one of {', '.join(SORTS)}; -FIELD for the reverse")
    add(
        "target",
        nargs="?",
        metavar="JOBID",
        help="a job that is an instance, ID/ID of nested ones, or an address",
    )
    args = parser.parse_args(argv)
    view = View(_format(args.format))
    uri: str | None = None
    path: list[str] = []
    if args.target:
        from bourn.cli.address import resolve

        uri, path = resolve(args.target), [args.target.strip("/")]
    if args.once:
        return _once(uri, path, view, args)
    if not (os.isatty(0) and os.isatty(1)):
        raise BournError("this is no terminal: `bourn top --once` prints the picture as text")
    from bourn.cli.top.screen import run

    return run(uri, path, view, lambda model: _arrange(model, args))


def _once(uri: str | None, path: list[str], view: View, args: argparse.Namespace) -> int:
    from bourn.cli.top.model import TopModel
    from bourn.cli.top.session import snapshot

    model = TopModel(os.getuid())
    _arrange(model, args)
    snapshot(uri, model)
    width = int(os.environ.get("COLUMNS") or 0) or 120
    sys.stdout.write(printed([*summary(model, path, width), *view.table(model.rows(), None)]))
    if model.uncounted:
        print(f"... and {model.uncounted} more pending jobs")
    return 0


def _arrange(model: TopModel, args: argparse.Namespace) -> None:
    model.set_filter(args.filter)
    model.set_sort(args.sort.lstrip("-"), args.sort.startswith("-"))


def _format(text: str) -> str:
    """Return the format that `-o` means, checked before the terminal is ours."""
    if not text:
        return FORMAT
    from bourn.cli.format import Template, named
    from bourn.cli.jobs import FORMATS
    from bourn.client.jobfields import field

    form = named(text, FORMATS)
    Template(form, field)
    return form
