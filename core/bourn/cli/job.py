"""`bourn job`: attach to, wait for, inspect and change jobs. The sub-commands stand in the `job_*`
modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.cli import job_attach, job_control, job_explain, job_info, job_submit, job_wait
from bourn.cli.parser import Parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn job", description="Attach to, wait for, inspect and change jobs.")
    commands = parser.add_commands()
    for family in (job_submit, job_attach, job_wait, job_info, job_explain, job_control):
        family.add_commands(commands)
    args = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], int] = args.run
    return run(args)
