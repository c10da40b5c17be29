"""Binding of tasks to the CPUs of the cores that the job was given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell import stdio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

_MODES = ("on", "off", "per-task", "map:LIST", "verbose", "dry-run")


class Affinity(ShellPlugin):
    """``cpu-affinity`` = on (default: all tasks on all of the job's cores), per-task, map:CPUS;CPUS;..., off.

    ``verbose`` and ``dry-run`` may stand before it, with a comma: they say what is bound; dry-run binds
    nothing.
    Cores that the machine doesn't have (made-up resources) bind nothing either.
    """

    name = "affinity"
    options = ("cpu-affinity",)

    def __init__(self) -> None:
        self._cores: list[set[int]] | None = None
        self._all: set[int] = set()
        self._sets: dict[str, tuple[set[int], ...]] = {}

    def wants(self, spec: ShellSpec) -> bool:
        return spec.option("cpu-affinity", "on") not in ("off", False, 0)

    def validate(self, spec: ShellSpec) -> None:
        # A list of CPUs may hold commas, too, and so comes last.
        front, mapped, listed = str(spec.option("cpu-affinity", "on")).partition("map:")
        mode, said = "map" if mapped else "on", []
        maps = tuple(_cpus(part) for part in listed.split(";")) if mapped else ()
        for word in front.split(",")[: -1 if mapped else None]:
            if word in ("verbose", "dry-run"):
                said.append(word)
            elif word == "per-task" and not mapped:
                mode = word
            elif word not in ("on", "1", "True"):
                raise BournError(f"-o cpu-affinity={word}: right is {', '.join(_MODES)}")
        spec.data[self.name] = (mode, maps, said)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        mode, maps, said = job.spec.data[self.name]
        if mode == "map":
            cpus = maps[task.local % len(maps)]
        else:
            cores = self._sets.get(job.place.cores)
            if cores is None:
                cores = self._lookup(job.place.cores)
            if mode == "per-task" and cores:
                count, ntasks = len(cores), job.place.ntasks
                begin = count * task.local // ntasks
                cores = cores[begin : max(begin + 1, count * (task.local + 1) // ntasks)]
            cpus = cores[0] if len(cores) == 1 else set().union(*cores)
        if said:
            text = ",".join(map(str, sorted(cpus))) or "none"
            line = f"cpu-affinity: task {task.rank}: cpus {text}\n"
            job.log("guest.output", stdio.data("stderr", str(task.rank), line.encode()))
        if cpus and cpus != self._all and "dry-run" not in said:
            task.affinity = cpus

    def _lookup(self, text: str) -> tuple[set[int], ...]:
        from bourn.model.idset import IdSet

        if self._cores is None:
            self._all = os.sched_getaffinity(0)
            self._cores = machine_cores()
        found = tuple(
            cpus
            for core in IdSet(text)
            if core < len(self._cores) and (cpus := self._cores[core] & self._all)
        )
        if len(self._sets) < 4096:
            self._sets[text] = found
        return found


def machine_cores(root: str = "/sys/devices/system/cpu") -> list[set[int]]:
    """Return the CPUs of each physical core, in the order of their lowest CPU: core n is the nth."""
    cores: list[set[int]] = []
    try:
        with open(f"{root}/online", encoding="ascii") as file:
            online = sorted(_cpus(file.read().strip()))
    except (OSError, BournError):
        online = sorted(os.sched_getaffinity(0))
    seen: set[int] = set()
    for cpu in online:
        if cpu in seen:
            continue
        try:
            with open(f"{root}/cpu{cpu}/topology/thread_siblings_list", encoding="ascii") as file:
                threads = _cpus(file.read().strip())
        except (OSError, BournError):
            threads = {cpu}
        seen |= threads
        cores.append(threads)
    return cores


def _cpus(text: str) -> set[int]:
    from bourn.model.idset import IdSet

    try:
        found = set(IdSet(text))
    except BournError as error:
        raise BournError(f"-o cpu-affinity=map: {error.message}") from error
    if not found:
        raise BournError("-o cpu-affinity=map: name CPUs, as map:0-1;2-3")
    return found


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Affinity()
