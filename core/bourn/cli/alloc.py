"""`bourn alloc`: an instance to work in, with a shell or a command as its initial program."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli import nest, options
from bourn.cli.extend import PluginOptions
from bourn.cli.parser import Parser
from bourn.cli.sending import prepare
from bourn.model.jobspec_build import set_shell_option

if TYPE_CHECKING:
    from bourn.client.handle import Handle
    from bourn.model.jobid import JobID

FOREVER = ["sleep", "infinity"]
"""The initial program of an instance in the background: it ends when it is cancelled or shut down."""


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn alloc",
        usage="bourn alloc [OPTIONS] [COMMAND...]",
        description="Get resources as an instance, and run a shell, or a command, in it.",
    )
    options.add_command(parser)
    nest.add_options(parser)
    parser.add_argument(
        "--bg", action="store_true", help="leave the instance in the background, and print the job's id"
    )
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="print the id; twice shows the events"
    )
    plugins = PluginOptions("alloc", parser)
    args = parser.parse_args(argv)
    plugins.preinit(args)
    command = options.command_of(args)
    obj = nest.nested(args, command or (FOREVER if args.bg else []))
    if args.job_name is None and command:
        obj["attributes"]["system"]["job"] = {"name": os.path.basename(command[0])}
    obj = plugins.apply(args, obj)
    terminal = False
    if not args.bg and args.input is None:
        set_shell_option(obj, "input.stdin", {"type": "service", "ranks": "0"})
        terminal = _ask_for_terminal(obj)
    submission = prepare(args, obj)
    if submission is None:
        return 0
    from bourn.client.handle import Handle

    with Handle() as h:
        id = submission.send(h)[0]
        if args.bg:
            nest.wait_for_uri(h, id)
            if not args.quiet:
                print(id)
            return 0
        if args.verbose and not args.quiet:
            print(f"jobid: {id}", file=sys.stderr)
        return _attach(h, id, verbose=args.verbose, stdin=args.input is None, terminal=terminal)


def _attach(h: Handle, id: JobID, *, verbose: int, stdin: bool, terminal: bool) -> int:
    from bourn.cli.attach import Attach

    more: dict[str, Any] = {"terminal": True} if terminal else {}
    return Attach(
        h,
        id,
        stdin_ranks="0" if stdin else None,
        show_events=verbose > 1,
        **more,
    ).run()


def _ask_for_terminal(obj: dict[str, Any]) -> bool:
    """Ask for a terminal of the job's own where we are on one and the job shell has a plugin for it."""
    if not (os.isatty(0) and os.isatty(1)):
        return False
    try:
        from bourn.cli.terminal import window_size  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return False
    set_shell_option(obj, "pty.interactive", 1)
    size = window_size()
    if size is not None:
        set_shell_option(obj, "pty.rows", size[0])
        set_shell_option(obj, "pty.columns", size[1])
    return True
