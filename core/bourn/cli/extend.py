"""Commands and options that plugins add (`bourn.hookspecs.cli`).

Commands are looked for when a verb isn't one of the table's. Options are looked for only if the scan of
installed distributions finds a third party's plugin for the command line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.plugins import cli_scan

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Parser
    from bourn.hookspecs.cli import CliCommand, CliOption
    from bourn.plugins import PluginManager, PluginRecord


def plugin_commands() -> dict[str, CliCommand]:
    """Return the commands that plugins add, by name."""
    manager = _load()
    commands = {command.name: command for _, command in manager.collect("bourn_cli_commands")}
    _tell(manager)
    return commands


class PluginOptions:
    """The `--ex-...` options of one command that submits jobs."""

    def __init__(self, verb: str, parser: Parser) -> None:
        self._options: list[tuple[PluginRecord, CliOption, str]] = []
        if not cli_scan():
            return  # stock plugins have no options, so that nobody pays for looking
        manager = _load()
        group = parser.add_argument_group("plugins")
        for record, option in manager.collect("bourn_cli_options"):
            if verb in option.commands:
                action = group.add_argument(option.name, help=option.help, **option.argument)
                self._options.append((record, option, action.dest))
        _tell(manager)

    def preinit(self, args: argparse.Namespace) -> None:
        """Let plugins look at the arguments before the jobspec is made."""
        for record, option, value in self._given(args):
            if option.preinit is not None:
                _guard(record, option, option.preinit, args, value)

    def apply(self, args: argparse.Namespace, jobspec: dict[str, Any]) -> dict[str, Any]:
        """Return the jobspec as plugins changed it; BournError with the reason if one refuses it."""
        for record, option, value in self._given(args):
            if option.modify is not None:
                jobspec = _guard(record, option, option.modify, jobspec, value) or jobspec
        for record, option, value in self._given(args):
            if option.validate is not None:
                reason = _guard(record, option, option.validate, jobspec, value)
                if reason is not None:
                    raise BournError(f"{option.name}: {reason}")
        return jobspec

    def _given(self, args: argparse.Namespace) -> list[tuple[PluginRecord, CliOption, Any]]:
        found = [(record, option, getattr(args, dest, None)) for record, option, dest in self._options]
        return [(record, option, value) for record, option, value in found if value not in (None, False)]


def _load() -> PluginManager:
    from bourn.hookspecs import CLI_GROUP
    from bourn.plugins import PluginManager

    manager = PluginManager()
    manager.load(groups=(CLI_GROUP,))
    return manager


def _tell(manager: PluginManager) -> None:
    """Say in one line each which plugins can't be used."""
    for record in manager.records:
        reason = record.reason or "; ".join(record.errors)
        if reason:
            print(f"bourn: {record}: {reason}", file=sys.stderr)


def _guard(record: PluginRecord, option: CliOption, function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except BournError:
        raise
    except Exception as error:  # whatever a plugin raises ends the command in its name, not in a traceback
        raise BournError(f"{option.name}: {record} failed: {type(error).__name__}: {error}") from error
