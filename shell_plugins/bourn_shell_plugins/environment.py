"""What tasks find in their environment about their job, and templates in it."""

from __future__ import annotations

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


class Environment(ShellPlugin):
    """Sets BOURN_URI, BOURN_JOB_ID, BOURN_JOB_SIZE, BOURN_JOB_NNODES, BOURN_JOB_TMPDIR, BOURN_KVS_NAMESPACE,
    BOURN_TASK_RANK and BOURN_TASK_LOCAL_ID.
    """  # fmt: skip

    name = "environment"
    priority = 100

    def init(self, job: ShellJob) -> None:
        env, place, id = job.env, job.place, job.f58
        env["BOURN_URI"] = job.uri
        env["BOURN_JOB_ID"] = id
        env["BOURN_JOB_SIZE"] = str(place.size)
        env["BOURN_JOB_NNODES"] = str(place.nnodes)
        env["BOURN_JOB_TMPDIR"] = job.tmpdir()
        env["BOURN_KVS_NAMESPACE"] = "job-" + str(job.id)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        # A job of one task has no use for a second dictionary.
        env = task.env = job.env if job.place.ntasks == 1 else job.env.copy()
        env["BOURN_TASK_RANK"] = str(task.rank)
        env["BOURN_TASK_LOCAL_ID"] = str(task.local)


class EnvExpand(ShellPlugin):
    """``env-expand`` = {NAME: template}: variables whose values hold tags, as ``{{taskid}}``."""

    name = "env-expand"
    options = ("env-expand",)

    def validate(self, spec: ShellSpec) -> None:
        given = spec.option(self.name)
        if not isinstance(given, dict):
            raise BournError("-o env-expand: must map names of variables to templates")
        for name, text in given.items():
            templates.check(str(text), f"variable {name}")

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        task.env = task.env.copy()
        for name, text in job.spec.option(self.name).items():
            task.env[name] = templates.render(str(text), job, task)


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugins."""
    yield Environment()
    yield EnvExpand()
