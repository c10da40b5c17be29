"""`bourn bulksubmit`: many jobs from a template and inputs; `bulk.py` explains both."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bourn.cli import bulk, options
from bourn.cli.extend import PluginOptions
from bourn.cli.parser import Parser
from bourn.cli.submit import copies, fill_args, submit_items
from bourn.errors import BournError

if TYPE_CHECKING:
    from argparse import Namespace

    from bourn.cli.sending import Item

DESCRIPTION = f"""\
Submit a job for each input.

{(bulk.__doc__ or "").partition("pure text.")[2].strip()}
"""


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn bulksubmit",
        usage="bourn bulksubmit [OPTIONS] COMMAND... ::: INPUTS...",
        description=DESCRIPTION,
        epilog="Examples:\n"
        "  bourn bulksubmit gzip {} ::: *.dat\n"
        "  bourn bulksubmit --watch --job-name={./%} ./sim {0} {1} ::: a.in b.in ::: 1 2 3\n"
        "  ls | bourn bulksubmit --output={}.out ./process {}",
    )
    options.add_command(parser)
    options.add_resource_options(parser)
    options.add_job_options(parser)
    options.add_submit_options(parser)
    add = parser.add_argument_group("inputs").add_argument
    add("--shuffle", action="store_true", help="submit in random order")
    add(
        "--sep",
        default="\n",
        metavar="TEXT",
        help="what separates inputs in files (newline); none: white space",
    )
    add(
        "--define",
        action="append",
        default=[],
        metavar="NAME=CODE",
        help="a part {.NAME} by Python code of x",
    )
    plugins = PluginOptions("bulksubmit", parser)
    args = parser.parse_args(argv)
    plugins.preinit(args)
    items = build(args, options.command_of(args), plugins)
    if args.dry_run and not args.quiet:
        for item in items:
            print(f"bulksubmit: submit {' '.join(item.jobspec['tasks'][0]['command'])}", file=sys.stderr)
    return submit_items(args, items)


def build(args: Namespace, words: list[str], plugins: PluginOptions) -> list[Item]:
    """Return a job, or its copies, for each set of inputs; the environment is captured once."""
    separator = None if args.sep.lower() == "none" else args.sep.encode().decode("unicode_escape")
    command, groups = bulk.split_inputs(words, separator)
    if not groups:
        groups = [[bulk.read_inputs("-", separator)]]
    methods = dict(bulk.define(text) for text in args.define)
    rows = bulk.combine(groups)
    if not rows:
        raise BournError("there are no inputs")
    if args.shuffle:
        import random

        random.shuffle(rows)
    environ = dict(os.environ)
    args.define = []
    items = []
    for number, row in enumerate(rows):
        names = {"seq": number, "seq1": number + 1}
        filler = bulk.Filler(row, names, methods)
        filled = fill_args(args, filler)
        # A command of nothing but inputs is given without a template.
        line = [filler.fill(word) for word in command] if command else list(row)
        items += copies(filled, line, plugins, environ, names)
    return items
