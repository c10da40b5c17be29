"""Standard input: from clients, from a file, or none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell import templates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask


class Input(ShellPlugin):
    """``input.stdin.type`` = none (/dev/null; default), service (what clients send), file.

    The path of a file, ``input.stdin.path``, may hold tags.
    ``input.stdin.ranks`` = all (default) or an idset: the tasks that get it; others get /dev/null.
    """

    name = "input"
    options = ("input.stdin.type", "input.stdin.path", "input.stdin.ranks", "input.batch-timeout")

    def validate(self, spec: ShellSpec) -> None:
        path = spec.option("input.stdin.path")
        kind = spec.option("input.stdin.type", "file" if path else "none")
        if kind not in ("none", "service", "file"):
            raise BournError(f"-o input.stdin.type={kind}: right is none, service or file")
        if kind == "file":
            if not isinstance(path, str) or not path:
                raise BournError("-o input.stdin.type=file: give input.stdin.path as well")
            templates.check(path, "input.stdin.path")
        spec.data[self.name] = (kind, path, spec.ranks("input.stdin.ranks"))

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        kind, path, mask = job.spec.data[self.name]
        if task.terminal is not None or not mask >> task.rank & 1:
            return
        if kind == "service":
            task.stdin = job.feed(task)
        elif kind == "file":
            file = os.path.join(task.cwd, templates.render(path, job, task))
            try:
                task.stdin = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise BournError(f"input file {file}: {error.strerror}") from error
            task.open_fds.append(task.stdin)


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Input()
