"""Templates in the words of a command, as ``{{tmpdir}}/script``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell import templates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask


class Arguments(ShellPlugin):
    """Fills the tags of file names (``{{id}}``, ``{{tmpdir}}``, ``{{taskid}}`` ...) into arguments.

    What isn't a tag stays as it is: it may be the program's own.
    """

    name = "arguments"

    def wants(self, spec: ShellSpec) -> bool:
        commands = [spec.command, *(group.command for group in spec.groups)]
        return any(templates.is_template(word) for command in commands for word in command)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        task.argv = [templates.render(word, job, task) for word in task.argv]


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Arguments()
