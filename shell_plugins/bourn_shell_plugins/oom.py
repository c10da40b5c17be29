"""Says when the kernel killed a task for want of memory, and how willingly it is to do that."""

from __future__ import annotations

import os
import signal
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

_KILLED = 128 + signal.SIGKILL
_LEAST, _MOST = -1000, 1000


class OutOfMemory(ShellPlugin):
    """A task that ends by SIGKILL while the control group's count of such kills rises is recorded with an
    exception ``oom``; it doesn't end the job.

    ``oom.adjust`` = -1000 ... 1000: how much sooner than others the kernel takes the job's tasks.
    """

    name = "oom"
    options = ("oom.adjust",)

    def __init__(self, root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> None:
        self._file = count_file(root, own)
        self._count = _kills(self._file)

    def wants(self, spec: ShellSpec) -> bool:
        return bool(self._file) or spec.option("oom.adjust") is not None

    def validate(self, spec: ShellSpec) -> None:
        adjust = spec.option("oom.adjust")
        if adjust is not None and (type(adjust) is not int or not _LEAST <= adjust <= _MOST):
            raise BournError(f"-o oom.adjust={adjust}: right is a number from {_LEAST} to {_MOST}")
        spec.data[self.name] = adjust

    def task_fork(self, job: ShellJob, task: ShellTask) -> None:
        adjust = job.spec.data[self.name]
        if adjust is not None:
            try:
                with open(f"/proc/{task.pid}/oom_score_adj", "w", encoding="ascii") as file:
                    file.write(str(adjust))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it is over already
            except OSError as error:
                raise BournError(f"-o oom.adjust={adjust}: {error.strerror}") from error

    def task_exit(self, job: ShellJob, task: ShellTask) -> None:
        # A shell whose child is killed ends with 137 itself.
        if task.status and exit_code(task.status) == _KILLED:
            count = _kills(self._file)
            if count > self._count:
                note = f"task {task.rank} on {os.uname().nodename} was killed: its node or its control group "
                job.exception(note + "is out of memory", "oom", severity=1)
            self._count = count


def count_file(root: str, own: str) -> str:
    """Return the file in which this process's control group counts kills for want of memory, "" if none."""
    try:
        with open(own, encoding="ascii") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return ""
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            candidates = [f"{root}/memory{path}/memory.oom_control", f"{root}/memory/memory.oom_control"]
        elif not controllers:
            candidates = [f"{root}{path}/memory.events", f"{root}/unified{path}/memory.events"]
        else:
            continue
        # In a container, the path is that of the host, and the root is our own group.
        for name in candidates:
            if os.access(name, os.R_OK):
                return name
    return ""


def _kills(name: str) -> int:
    try:
        with open(name, encoding="ascii") as file:
            for line in file:
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
    except (OSError, ValueError):
        pass
    return 0


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield OutOfMemory()
