"""The argument parser of every command: errors are one line and name the nearest right option."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


_NO_NUMBER = re.compile(r"^argument (.*): invalid (int|float) value: (.*)$")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with room for long options, and descriptions kept as they were written; equal on all Pythons."""

    def __init__(self, prog: str, width: int | None = None) -> None:
        super().__init__(prog, max_help_position=30, width=width)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """`Parser(prog="bourn submit")`: argparse with suggestions; usage errors exit with 2."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        super().__init__(**kwargs)

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit with 2."""
        sys.stdout.flush()
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            message = self._missing(missing)
        message = _NO_NUMBER.sub(r"\1: must be a \2, not \3", message)
        message = message.replace(": must be a int,", ": must be a whole number,").replace(
            ": must be a float,", ": must be a number,"
        )
        self.exit(2, f"{self.prog.replace(' ', '-')}: error: {message}\n")

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse; an argument that nothing takes is an error with the nearest option's name."""
        found, extra = self.parse_known_args(args, namespace)
        if extra:
            parser: Parser = getattr(found, "_parser", self)
            parser.error(parser._explain(extra[0]))
        return found

    def add_commands(self) -> Commands:
        """Add sub-commands (`bourn queue status`)."""
        return self.add_subparsers(  # type: ignore[return-value]
            action=Commands,
            parser_class=Parser,
            dest="command",
            metavar="COMMAND",
            required=True,
            prog=self.prog,
        )

    def _missing(self, names: str) -> str:
        """Say what to add; of commands, which there are."""
        if names != "COMMAND" or self._subparsers is None:
            return f"{names} {'are' if ',' in names else 'is'} missing; see `{self.prog} --help`"
        there = ", ".join(next(iter(self._subparsers._group_actions)).choices or ())
        return f"name a command: {there}"

    def _explain(self, word: str) -> str:
        if not word.startswith("-") or word == "-":
            return f"unexpected argument '{word}'"
        known = [name for name in self._option_string_actions if name.startswith("--")]
        return f"unknown option '{word}'{_nearest(word.partition('=')[0], known)}"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        what = "no such command" if isinstance(action, Commands) else "invalid choice"
        hint = _nearest(str(value), names) or f"; there are: {', '.join(names)}"
        raise argparse.ArgumentError(
            None if isinstance(action, Commands) else action, f"{what} '{value}'{hint}"
        )


class Commands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Sub-commands; the chosen parser is remembered, so that late errors carry its name."""

    def add(self, name: str, summary: str, **kwargs: Any) -> Parser:
        """Add the sub-command `name` and return its parser."""
        parser: Parser = self.add_parser(
            name,
            help=summary.replace("%", "%%"),
            description=summary[0].upper() + summary[1:] + ".",
            **kwargs,
        )
        parser.set_defaults(_parser=parser)
        return parser


def _nearest(word: str, known: Sequence[str]) -> str:
    """Like `errors.suggest`, but silent when nothing is near: the list of all options is for --help."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""
