"""Soft resource limits of tasks."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from bourn.errors import BournError, suggest
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

_LIMITS = {name[7:].lower(): getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}


class Rlimit(ShellPlugin):
    """``rlimit.NAME`` = value, -1 or unlimited for none; a value above the hard limit is cut to it."""

    name = "rlimit"
    options = ("rlimit",)

    def validate(self, spec: ShellSpec) -> None:
        limits: dict[int, int] = {}
        given = spec.option(self.name)
        if not isinstance(given, dict):
            raise BournError("-o rlimit: name a limit, as -o rlimit.nofile=1024")
        for name, value in given.items():
            which = _LIMITS.get(name.lower().removeprefix("rlimit_"))
            if which is None:
                raise BournError(f"-o rlimit.{name}: there is no such limit{suggest(name, _LIMITS)}")
            soft = resource.RLIM_INFINITY if value in (-1, "unlimited", "infinity") else value
            if not isinstance(soft, int) or isinstance(soft, bool):
                raise BournError(f"-o rlimit.{name}={value}: right is a number, -1 or unlimited")
            hard = resource.getrlimit(which)[1]
            if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
                soft = hard
            limits[which] = soft
        spec.data[self.name] = limits

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        task.rlimits = job.spec.data[self.name]


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Rlimit()
