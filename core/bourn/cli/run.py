"""`bourn run`: submit a job, attach to it, exit with its status."""

from __future__ import annotations

import sys
from typing import Any

from bourn.cli import jobspec_args, options
from bourn.cli.extend import PluginOptions
from bourn.cli.parser import Parser
from bourn.cli.sending import prepare
from bourn.model.jobspec_build import set_shell_option


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn run",
        usage="bourn run [OPTIONS] COMMAND...",
        description="Run a job, and exit with its status.",
        epilog="Examples:\n"
        "  bourn run -n4 hostname\n"
        "  bourn run -o pty.interactive bash\n"
        "  bourn run -N2 -n8 -l ./solver < input",
    )
    options.add_command(parser)
    options.add_resource_options(parser)
    options.add_job_options(parser)
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="print the id; twice shows the events"
    )
    plugins = PluginOptions("run", parser)
    args = parser.parse_args(argv)
    plugins.preinit(args)
    obj = plugins.apply(args, jobspec_args.jobspec(args, options.command_of(args)))
    stdin_ranks = _stdin_ranks(args.input)
    if stdin_ranks is not None:
        set_shell_option(obj, "input.stdin", {"type": "service", "ranks": stdin_ranks})
    terminal = _terminal(obj)
    submission = prepare(args, obj)
    if submission is None:
        return 0
    from bourn.cli.attach import Attach
    from bourn.client.handle import Handle

    with Handle() as h:
        id = submission.send(h)[0]
        if args.verbose and not args.quiet:
            print(f"jobid: {id}", file=sys.stderr)
        return Attach(
            h,
            id,
            label=args.label_io,
            stdin_ranks=stdin_ranks,
            show_events=args.verbose > 1,
            show_exec=args.verbose > 2,
            terminal=terminal,
        ).run()


def _terminal(obj: dict[str, Any]) -> bool:
    """Return whether we are to work in the job's terminal, which then starts with the size of ours."""
    if "pty" not in obj["attributes"]["system"].get("shell", {}).get("options", {}):
        return False
    from bourn.cli.terminal import is_interactive, window_size

    size = window_size()
    if is_interactive(obj) and size is not None:
        set_shell_option(obj, "pty.rows", size[0])
        set_shell_option(obj, "pty.columns", size[1])
    return is_interactive(obj)


def _stdin_ranks(given: str | None) -> str | None:
    """Return which tasks get our input: all, those that `--input` names, or none if it names a file."""
    if given is None:
        return "all"
    return given if jobspec_args.is_tasks(given) else None
