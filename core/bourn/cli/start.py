"""`bourn start`: bring up an instance and run a command, or a shell, in it."""

from __future__ import annotations

import gc
import json
from argparse import REMAINDER
from typing import TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Mapping

DESCRIPTION = """\
Bring up an instance on this machine and run a command, or your shell, in it.
The instance ends when the command does; the exit status is the command's.
"""


def main(argv: list[str]) -> int:
    """Become the broker of rank 0."""
    parser = _parser()
    args = parser.parse_args(argv)
    command: list[str] = args.command_line
    if args.broker_opts:
        more = [word for text in args.broker_opts for word in text.split(",") if word]
        args = parser.parse_args([*more, "--"], args)
    if command[:1] == ["--"]:
        command = command[1:]
    if command and not command[0]:
        raise BournError("the command is empty")
    attrs: dict[str, str] = {}
    for text in args.setattr:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BournError(f"-S {text}: must be ATTRIBUTE=VALUE, as statedir=/var/lib/bourn")
        attrs[name] = value
    if args.recovery is not None:
        attrs |= _recovery(args.recovery, attrs, args.test_size)
    gc.disable()  # until the broker is up: looking for garbage would be a tenth of the start
    from bourn.broker.start import StartOptions, run_start

    conf = args.conf
    if args.hosts is not None:
        if args.test_size > 1:
            raise BournError("--hosts and --test-size can't be given together")
        conf = [*conf, 'bootstrap.method="ssh"', f"bootstrap.hosts=[{{host={json.dumps(args.hosts)}}}]"]
    return run_start(StartOptions(command, args.config_path, conf, attrs, args.test_size))


def _recovery(statedir: str, attrs: Mapping[str, str], size: int) -> dict[str, str]:
    """Return the attributes of a broker that recovers a state directory, which must be there."""
    import os

    if size > 1 or "statedir" in attrs:
        other = "--test-size" if size > 1 else "-S statedir"
        raise BournError(f"--recovery {statedir}: is for one broker on this directory, without {other}")
    store = os.path.join(statedir, "bourn.sqlite")
    if not os.path.isfile(store):
        raise BournError(f"--recovery {statedir}: there is no bourn.sqlite, so it is no state directory")
    if not os.path.getsize(store) and not os.path.exists(f"{store}-wal"):
        raise BournError(f"--recovery {statedir}: bourn.sqlite is empty, so there is nothing to recover")
    return {"statedir": statedir, "broker.recovery": "1", "broker.cleanup": "keep"}


def _parser() -> Parser:
    parser = Parser(prog="bourn start", description=DESCRIPTION)
    add = parser.add_argument
    add(
        "-s",
        "--test-size",
        type=int,
        default=1,
        metavar="N",
        help="number of brokers to start on this machine",
    )
    add(
        "--recovery",
        metavar="DIR",
        help="bring up one broker on this state directory to look at it, change or dump it: no job is "
        "scheduled, started, taken up or ended",
    )
    add("--hosts", metavar="HOSTLIST", help="start a broker on each of these hosts as well, by ssh")
    for names, metavar, text in (
        (["-c", "--config-path"], "PATH", "a TOML file, or a directory of them"),
        (["--conf"], "KEY=VALUE|FILE", "set a key (exec.method=mock), or read a TOML file"),
        (["-S", "--setattr"], "ATTR=VALUE", "set a broker attribute, as statedir=DIR"),
        (["-o", "--broker-opts"], "OPT,...", "options of this command, separated by commas"),
    ):
        add(*names, action="append", default=[], metavar=metavar, help=text)
    add("command_line", nargs=REMAINDER, metavar="COMMAND", help="what to run (default: your shell)")
    return parser
