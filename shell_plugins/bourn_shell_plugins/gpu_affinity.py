"""Binding of tasks to the GPUs that the job was given, by the variables that GPU libraries read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

_MODES = "on, off, per-task or map:LIST"
_AMD_DRIVER = "/dev/kfd"


class GpuAffinity(ShellPlugin):
    """``gpu-affinity`` = on (default: all tasks see all of the job's GPUs), per-task, map:GPUS;GPUS;..., off.

    Sets CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES and ZE_AFFINITY_MASK. A job without GPUs sees none.
    """

    name = "gpu-affinity"
    options = ("gpu-affinity",)
    priority = 80

    def __init__(self) -> None:
        # AMD's runtime takes CUDA's variable as well, and would choose again among those chosen already.
        self._names = ["ROCR_VISIBLE_DEVICES"]
        if not os.path.exists(_AMD_DRIVER):
            self._names.append("CUDA_VISIBLE_DEVICES")

    def wants(self, spec: ShellSpec) -> bool:
        return spec.option(self.name, "on") not in ("off", False, 0)

    def validate(self, spec: ShellSpec) -> None:
        given = str(spec.option(self.name, "on"))
        maps: list[list[int]] = []
        if given.startswith("map:"):
            maps = [_gpus(part) for part in given[4:].split(";")]
        elif given not in ("on", "1", "True", "per-task"):
            raise BournError(f"-o gpu-affinity={given}: right is {_MODES}")
        spec.data[self.name] = (given == "per-task", maps)
        if not maps:
            # What jobs without GPUs find; here it costs each of them nothing.
            for name in self._names:
                spec.env[name] = "-1"
            spec.env.pop("ZE_AFFINITY_MASK", None)

    def init(self, job: ShellJob) -> None:
        per_task, maps = job.spec.data[self.name]
        if job.place.gpus and not per_task and not maps:
            self._show(job.env, _gpus(job.place.gpus))

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        per_task, maps = job.spec.data[self.name]
        if maps:
            chosen = maps[task.local % len(maps)]
        elif per_task and job.place.gpus:
            chosen = share(_gpus(job.place.gpus), task.local, job.place.ntasks)
        else:
            return
        task.env = task.env.copy()
        self._show(task.env, chosen)

    def _show(self, env: dict[str, str], gpus: list[int]) -> None:
        text = ",".join(map(str, gpus))
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        env["ZE_AFFINITY_MASK"] = text
        for name in self._names:
            env[name] = text


def share(gpus: list[int], local: int, ntasks: int) -> list[int]:
    """Return the part of one of `ntasks` tasks: consecutive GPUs, or one that several tasks share."""
    begin, end = len(gpus) * local // ntasks, len(gpus) * (local + 1) // ntasks
    return gpus[begin : max(end, begin + 1)]


def _gpus(text: str) -> list[int]:
    from bourn.model.idset import IdSet

    try:
        found = list(IdSet(text))
    except BournError as error:
        raise BournError(f"-o gpu-affinity=map: {error.message}") from error
    if not found:
        raise BournError("-o gpu-affinity=map: name GPUs, as map:0-1;2-3")
    return found


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield GpuAffinity()
