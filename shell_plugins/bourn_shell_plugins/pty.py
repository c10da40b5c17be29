"""Pseudo-terminals for tasks, to be watched or to be worked in."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell.orphans import signal_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

_KEYS = ("ranks", "interactive", "capture", "rows", "columns")
_ROWS, _COLUMNS = 24, 80


class Pty(ShellPlugin):
    """``pty``: tasks get a terminal each instead of pipes; what they write goes where standard output goes.

    ``pty.interactive``: only task 0 gets one, for a client to work in; ``pty.ranks`` = all (default) or an
    idset; ``pty.rows`` and ``pty.columns`` are the size of the window at the start. With ``pty.capture`` =
    off, what they write goes nowhere.
    """

    name = "pty"
    options = ("pty",)
    priority = 50

    def wants(self, spec: ShellSpec) -> bool:
        given = spec.option(self.name)
        return isinstance(given, dict) or (given is not None and spec.switch(self.name))

    def validate(self, spec: ShellSpec) -> None:
        spec.table(self.name, _KEYS)
        interactive = spec.switch("pty.interactive")
        mask = spec.ranks("pty.ranks", "0" if interactive else "all")
        size = [_number(spec, "rows", _ROWS), _number(spec, "columns", _COLUMNS)]
        if interactive and not spec.switch("pty.capture", default=True):
            raise BournError("-o pty.capture=off: a terminal to work in is seen through what is captured")
        spec.data[self.name] = (mask, size)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        mask, (rows, columns) = job.spec.data[self.name]
        if mask >> task.rank & 1:
            job.open_terminal(task, rows, columns)

    def task_exit(self, job: ShellJob, task: ShellTask) -> None:
        if task.terminal is not None:
            task.terminal.hang_up()
            # What a shell left in the background has lost its terminal as well.
            signal_session(task.pid, signal.SIGKILL)

    def exit(self, job: ShellJob) -> None:
        for task in job.tasks:
            if task.terminal is not None:
                task.terminal.hang_up()


def _number(spec: ShellSpec, key: str, default: int) -> int:
    value = spec.option(f"pty.{key}", default)
    if type(value) is not int or not 0 < value < 1 << 16:
        raise BournError(f"-o pty.{key}={value}: right is a number from 1")
    return value


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Pty()
