"""Loads the shell plugins of a host."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.plugins import PluginManager

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.shell import ShellPlugin
    from bourn.shell.spec import ShellSpec

GROUP = "bourn.shell_plugins"


def load_plugins(disable: Iterable[str] = ()) -> tuple[list[ShellPlugin], list[tuple[int, str]]]:
    """Return the plugins in calling order, and (logging level, text) for each that can't be used."""
    manager = PluginManager()
    said = _Notes()
    logger = logging.getLogger("bourn.plugins")
    logger.addHandler(said)
    logger.propagate = False
    manager.load(groups=(GROUP,), disable=disable)
    plugins: list[ShellPlugin] = [plugin for _, plugin in manager.collect("bourn_shell_plugins")]
    logger.removeHandler(said)
    return sorted(plugins, key=lambda plugin: -plugin.priority), said.notes


def add_files(plugins: list[ShellPlugin], paths: Iterable[str]) -> list[ShellPlugin]:
    """Return the plugins with those of the user's files, in calling order.

    A file has the hook `bourn_shell_plugins`, or just classes derived from `ShellPlugin`. What is wrong with
    it fails the job.
    """
    from bourn.hookspecs.shell import ShellPlugin as Base

    class Broken(Base):
        name = "initrc"

        def __init__(self, note: str) -> None:
            self._note = note

        def validate(self, spec: ShellSpec) -> None:
            raise BournError(self._note)

    found = list(plugins)
    for path in paths:
        try:
            found += _load_file(path)
        except Exception as error:
            found.append(Broken(f"{path}: {_where(error, path)}{_what(error)}"))
    return sorted(found, key=lambda plugin: -plugin.priority)


def _load_file(path: str) -> list[ShellPlugin]:
    from bourn.hookspecs.shell import ShellPlugin as Base

    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), path, "exec")
    scope: dict[str, Any] = {"__name__": "initrc", "__file__": path}
    exec(code, scope)
    hook = scope.get("bourn_shell_plugins")
    if hook is not None:
        made = list(hook())
    else:
        made = [
            value()
            for value in scope.values()
            if isinstance(value, type) and issubclass(value, Base) and value.__module__ == "initrc"
        ]
    if not made:
        raise BournError("it has neither a class derived from ShellPlugin nor the hook bourn_shell_plugins")
    for plugin in made:
        if not isinstance(plugin, Base):
            raise BournError(f"{plugin!r} is no ShellPlugin")
        plugin.name = plugin.name or type(plugin).__name__
    return made


def _where(error: Exception, path: str) -> str:
    import traceback

    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == path]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f"line {line}: " if line else ""


def _what(error: Exception) -> str:
    if isinstance(error, BournError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"


class _Notes(logging.Handler):
    """Keeps what the loader says, for the broker's log."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append((record.levelno, record.getMessage()))
