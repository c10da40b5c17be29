"""The command line: further commands, and further options of the commands that submit jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["SUBMIT_COMMANDS", "CliCommand", "CliOption", "bourn_cli_commands", "bourn_cli_options"]

SUBMIT_COMMANDS = ("submit", "run", "batch", "alloc", "bulksubmit")
"""The commands that make a jobspec."""


@frozen
class CliCommand:
    """``bourn NAME``."""

    name: str
    """One word; a stock command can't be replaced."""
    summary: str
    """One line for ``bourn help``, lower case, without a full stop."""
    run: Callable[[list[str]], int]
    """Takes the arguments after the command, returns the exit status. A `BournError` is printed in a line."""


def _prefixed(instance: object, attribute: object, value: str) -> None:
    if not value.startswith("--ex-"):
        raise ValueError(f"option '{value}' must begin with --ex-, so that it never meets one of Bourn's own")


@frozen
class CliOption:
    """An option ``--ex-...`` of the commands that submit jobs."""

    name: str = field(validator=_prefixed)
    """With its dashes: ``--ex-licence``."""
    help: str
    """One line for ``--help``."""
    modify: Callable[[dict[str, Any], Any], dict[str, Any] | None] | None = None
    """``modify(jobspec, value)``, if the option was given: changes the jobspec in place or returns
    another."""
    validate: Callable[[dict[str, Any], Any], str | None] | None = None
    """``validate(jobspec, value)``, if it was given, after all `modify`: None, or the reason to refuse."""
    preinit: Callable[[argparse.Namespace, Any], None] | None = None
    """``preinit(arguments, value)`` before the jobspec is made; it may change other arguments."""
    commands: tuple[str, ...] = SUBMIT_COMMANDS
    """The commands that take it."""
    argument: Mapping[str, Any] = Factory(dict)
    """Further keywords for ``add_argument``: ``{"action": "store_true"}``, ``{"metavar": "NAME"}``."""


@hookspec
def bourn_cli_commands() -> Iterable[CliCommand]:
    """Register commands.

    Called: when a command is given that isn't a stock one, and for ``bourn help``.
    Process: command line.
    Order: of two commands of one name the first registered is taken, and the clash is told.
    Errors: an exception leaves this plugin's commands out, with one line on standard error.
    Since: 0.1

    Keep the module that holds this hook light: it is imported by the command line.

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.cli import CliCommand


        def hello(arguments):
            print("hello", *arguments)
            return 0


        @hookimpl
        def bourn_cli_commands():
            yield CliCommand("hello", "say hello", hello)
    """
    raise NotImplementedError


@hookspec
def bourn_cli_options() -> Iterable[CliOption]:
    """Register options of the commands that submit jobs.

    Called: once by each command that submits jobs. Installations without a third party's CLI plugin don't
    pay.
    Process: command line.
    Order: `preinit`, `modify` and `validate` run in plugin order.
    Errors: an exception leaves this plugin's options out, with one line on standard error. An option's
    function that raises ends the command with the plugin's name.
    Since: 0.1

    Keep the module that holds this hook light: it is imported by the command line.

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.cli import CliOption


        def add_licence(jobspec, value):
            jobspec["attributes"]["system"]["licence"] = value


        def known_licence(jobspec, value):
            if value in ("matlab", "ansys"):
                return None
            return f"no licence '{value}'; there are: ansys, matlab"


        @hookimpl
        def bourn_cli_options():
            yield CliOption("--ex-licence", "use a licence", add_licence, known_licence)
    """
    raise NotImplementedError
