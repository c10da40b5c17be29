"""`bourn batch`: submit a script that runs as the initial program of an instance of its own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from bourn.cli import jobspec_args, nest
from bourn.cli.extend import PluginOptions
from bourn.cli.parser import Parser
from bourn.cli.sending import prepare
from bourn.errors import BournError
from bourn.model import jobspec_build as build

if TYPE_CHECKING:
    from argparse import Namespace

DESCRIPTION = """\
Submit a script, which runs in an instance of its own, and print the job's id.
The script is a file, standard input, or with --wrap the command line.
It may state options in its head, in lines such as `# bourn: -n16 --time-limit=1h`;
those of the command line go before them.
"""
OUTPUT = "bourn-{{id}}.out"


class BatchParser(Parser):
    """Reads the command line and directives; errors in a directive name its line."""

    where = ""

    def error(self, message: str) -> NoReturn:
        """Print the message, or raise it with the place of the directive."""
        if self.where:
            raise BournError(f"{self.where}: {message}")
        super().error(message)


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = _parser()
    plugins = PluginOptions("batch", parser)
    args = parser.parse_args(argv)
    name, script, words = _script(args)
    args, places = _with_directives(parser, argv, script, name)
    plugins.preinit(args)
    if args.output is None:
        args.output = OUTPUT
    try:
        obj = jobspec_args.assemble(
            args,
            lambda extra: build.from_batch_command(script, name, words, **nest.shape(args), **extra),
        )
        obj = plugins.apply(args, obj)
    except BournError as error:
        option = error.message.removeprefix("--").split("=")[0].replace("-", "_")
        place = places.get(option)
        if place is None:
            raise
        raise BournError(f"{place}: {error.message}", error.errnum) from None
    submission = prepare(args, obj)
    if submission is None:
        return 0
    from bourn.client.handle import Handle

    with Handle() as h:
        id = submission.send(h)[0]
    if not args.quiet:
        print(id)
    return 0


def _parser() -> BatchParser:
    from argparse import REMAINDER

    parser = BatchParser(
        prog="bourn batch", usage="bourn batch [OPTIONS] [SCRIPT [ARGS...]]", description=DESCRIPTION
    )
    parser.add_argument(
        "command_line", nargs=REMAINDER, metavar="SCRIPT", help="the script and its arguments"
    )
    parser.add_argument(
        "--wrap", action="store_true", help="run a command, or lines without `#!`, by /bin/sh"
    )
    nest.add_options(parser)
    return parser


def _script(args: Namespace) -> tuple[str, str, list[str]]:
    """Return the script's name, its text and its arguments."""
    words = args.command_line[1:] if args.command_line[:1] == ["--"] else args.command_line
    if args.wrap and words:
        return _name(words[0]), "#!/bin/sh\n" + " ".join(words) + "\n", []
    if words:
        path = words[0]
        try:
            with open(path, "rb") as file:
                text, name = _decoded(file.read(), path), os.path.basename(path)
        except OSError as error:
            raise BournError(f"{path}: {error.strerror}") from None
    else:
        if sys.stdin.isatty():
            raise BournError("no script given; name a file, or use --wrap COMMAND")
        path, name = "standard input", "batch"
        text = _decoded(sys.stdin.buffer.read(), path)
    if not text.strip():
        raise BournError(f"{path}: the script is empty")
    if args.wrap:
        text = f"#!/bin/sh\n{text}"
    if not text.startswith("#!"):
        raise BournError(f"{path}: line 1: a script begins with `#!` and an interpreter; or use --wrap")
    return name, text, words[1:]


def _name(command: str) -> str:
    return os.path.basename(command.split()[0]) if command.split() else "batch"


def _decoded(content: bytes, path: str) -> str:
    if b"\0" in content:
        raise BournError(f"{path}: not a script: it has null bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BournError(f"{path}: not UTF-8 at byte {error.start}") from None


def _with_directives(
    parser: BatchParser, argv: list[str], script: str, name: str
) -> tuple[Namespace, dict[str, str]]:
    """Return the options of the script's directives, overridden by those of the command line; and, by option,
    the line of the directive that counts.
    """
    from argparse import Namespace

    from bourn.model.directives import parse_directives

    args, places, before = Namespace(), dict[str, str](), dict[str, object]()
    shift = 1 if parser.parse_args(argv).wrap else 0  # the line that --wrap has put before
    for number, words in parse_directives(script, name).lines:
        parser.where = f"{name}: line {number - shift}"
        args = parser.parse_args(words, args)
        if args.command_line:
            parser.error(f"unexpected argument '{args.command_line[0]}'")
        now = dict(vars(args))
        places |= {key: parser.where for key in now if now[key] != before.get(key)}
        before = now
    parser.where = ""
    args = parser.parse_args(argv, args)
    return args, {key: place for key, place in places.items() if vars(args)[key] == before[key]}
