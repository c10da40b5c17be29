"""Binding of tasks to the CPUs of the cores that the job was given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.errors import BournError, nearest
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell import stdio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask
    from bourn.shell.topology import Core

_MODES = ("on", "off", "per-task", "map:LIST", "verbose", "dry-run")


class Affinity(ShellPlugin):
    """``cpu-affinity`` = on (default: all tasks on all of the job's cores), per-task, map:CPUS;CPUS;..., off.

    The CPUs of a map are idsets, or masks as 0xff; each task of the node takes the next, the first again at
    the end.
    ``per-task`` deals the cores out evenly, and if it can, none gets cores of two memory nodes (NUMA).
    ``verbose`` and ``dry-run`` may stand before it, with a comma: they say what is bound; dry-run binds
    nothing.
    Cores that the machine doesn't have (made-up resources) bind nothing either.
    """

    name = "affinity"
    options = ("cpu-affinity",)

    def __init__(self) -> None:
        self._cores: list[Core] | None = None
        self._all: set[int] = set()
        self._sets: dict[tuple[str, int], list[set[int]]] = {}

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
                raise BournError(
                    f"-o cpu-affinity={word}: right is {', '.join(_MODES)}{nearest(word, _MODES)}"
                )
        spec.data[self.name] = (mode, maps, said)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        mode, maps, said = job.spec.data[self.name]
        if mode == "map":
            cpus = maps[task.local % len(maps)]
        else:
            shares = job.place.ntasks if mode == "per-task" else 1
            sets = self._sets.get((job.place.cores, shares))
            if sets is None:
                sets = self._share(job.place.cores, shares)
            cpus = sets[task.local if shares > 1 else 0]
        if said:
            text = ",".join(map(str, sorted(cpus))) or "none"
            line = f"cpu-affinity: task {task.rank}: cpus {text}\n"
            job.log("guest.output", stdio.data("stderr", str(task.rank), line.encode()))
        if cpus and cpus != self._all and "dry-run" not in said:
            task.affinity = cpus

    def _share(self, text: str, shares: int) -> list[set[int]]:
        """Return the CPUs of each of `shares` tasks that have the cores `text`."""
        from bourn.model.idset import IdSet
        from bourn.shell.topology import deal, machine_cores

        if self._cores is None:
            self._all = os.sched_getaffinity(0)
            self._cores = machine_cores()
        known = self._cores
        usable = [known[core] for core in IdSet(text) if core < len(known) and known[core].cpus & self._all]
        dealt = deal(usable, shares) if usable else [[]] * shares
        sets = [self._all.intersection(cpu for core in cores for cpu in core.cpus) for cores in dealt]
        if len(self._sets) < 4096:
            self._sets[text, shares] = sets
        return sets


def _cpus(text: str) -> set[int]:
    from bourn.model.idset import IdSet

    try:
        found = set(IdSet.from_mask(int(text, 16)) if text.startswith("0x") else IdSet(text))
    except ValueError as error:
        raise BournError(f"-o cpu-affinity=map: {text} is no mask") from error
    except BournError as error:
        raise BournError(f"-o cpu-affinity=map: {error.message}") from error
    if not found:
        raise BournError("-o cpu-affinity=map: name CPUs, as map:0-1;2-3")
    return found


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Affinity()
