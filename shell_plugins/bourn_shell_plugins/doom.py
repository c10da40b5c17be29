"""Ends a parallel job some time after its first task has ended, or at the first failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell.waitstatus import exit_code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

DEFAULT_TIMEOUT = 30.0


class Doom(ShellPlugin):
    """``exit-timeout`` = duration after the first task's end (default 30s; none), ``exit-on-error``."""

    name = "doom"
    options = ("exit-timeout", "exit-on-error")

    def wants(self, spec: ShellSpec) -> bool:
        return True

    def validate(self, spec: ShellSpec) -> None:
        given = spec.option("exit-timeout", DEFAULT_TIMEOUT)
        timeout: float | None
        if given == "none":
            timeout = None
        elif isinstance(given, str | int | float):
            from bourn.model.duration import parse_duration

            try:
                timeout = parse_duration(given)
            except BournError as error:
                raise BournError(f"-o exit-timeout: {error.message}") from error
        else:
            raise BournError(f"-o exit-timeout={given}: right is a duration such as 30s, or none")
        spec.data[self.name] = (timeout, spec.switch("exit-on-error"))

    def task_exit(self, job: ShellJob, task: ShellTask) -> None:
        if job.place.size == 1:
            return
        if job.spec.data[self.name][1] and task.status and "doom.failed" not in job.data:
            job.data["doom.failed"] = True
            job.exception(f"task {task.rank} exited with {exit_code(task.status)} and exit-on-error is set")
        self._wait(job, f"task {task.rank}")

    def peer_exit(self, job: ShellJob, nodeid: int, status: int) -> None:
        self._wait(job, f"node {nodeid} of the job")

    def _wait(self, job: ShellJob, who: str) -> None:
        timeout = job.spec.data[self.name][0]
        if timeout is not None and self.name not in job.data:
            note = f"{who} exited and exit-timeout={timeout:g}s has expired"
            job.data[self.name] = job.later(timeout, lambda: job.exception(note))


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Doom()
