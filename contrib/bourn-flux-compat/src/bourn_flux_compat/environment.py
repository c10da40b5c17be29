"""The FLUX_* variables of tasks, beside those of Bourn that mean the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.task import ShellTask

JOB = ("URI", "JOB_ID", "JOB_SIZE", "JOB_NNODES", "JOB_TMPDIR", "KVS_NAMESPACE")
TASK = ("TASK_RANK", "TASK_LOCAL_ID")


class FluxEnvironment(ShellPlugin):
    """Sets FLUX_NAME to the value of BOURN_NAME for each of `JOB` and `TASK`."""

    name = "flux-environment"
    priority = 95
    """After the plugin that sets Bourn's own, and before all that replace a task's environment."""

    def init(self, job: ShellJob) -> None:
        """Set what all tasks share."""
        env = job.env
        for name in JOB:
            if f"BOURN_{name}" in env:
                env[f"FLUX_{name}"] = env[f"BOURN_{name}"]

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        """Set what each task has of its own."""
        for name in TASK:
            task.env[f"FLUX_{name}"] = task.env[f"BOURN_{name}"]


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield FluxEnvironment()
