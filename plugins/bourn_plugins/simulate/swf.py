"""Reads the Standard Workload Format: a job a line, 18 numbers, -1 where one isn't known.

Feitelson's Parallel Workloads Archive describes it: https://www.cs.huji.ac.il/labs/parallel/workload/swf.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define

from bourn.errors import BournError
from bourn_plugins.simulate.job import Job, sized_jobspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.model.interned import InternedJobspec

FIELDS = (
    "job number", "submit time", "wait time", "run time", "allocated processors", "average CPU time",
    "used memory", "requested processors", "requested time", "requested memory", "status", "user", "group",
    "executable", "queue", "partition", "preceding job", "think time",
)  # fmt: skip


@define
class TraceFile:
    """What a file in this format says."""

    jobs: list[Job] = Factory(list)
    header: dict[str, str] = Factory(dict)
    """The header comments, as ``MaxNodes``; of a label that comes twice the last."""
    skipped: int = 0
    """Jobs that never ran, or of unknown size or run time."""

    @property
    def machine(self) -> tuple[int, int] | None:
        """(nodes, cores of a node) of the machine that the trace comes from, if the header says so."""
        procs = _leading_int(self.header.get("MaxProcs", ""))
        nodes = _leading_int(self.header.get("MaxNodes", "")) or procs
        if not nodes:
            return None
        return nodes, max(1, procs // nodes)


def read_swf(lines: Iterable[str], cores_per_node: int = 0) -> TraceFile:
    """Read a trace. BournError begins with the number of the line.

    A job asks for its processors as cores wherever they are; or, with `cores_per_node`, for as many whole
    nodes as have them. Its limit is the requested time, or else its run time. Not used: memory, and the
    preceding job with its think time (submit times are as recorded).
    """
    found = TraceFile()
    specs: dict[tuple[int, float], InternedJobspec] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith(";"):
            label, colon, value = text.lstrip("; ").partition(":")
            if colon:
                found.header[label.strip()] = value.strip()
            continue
        if not text:
            continue
        try:
            job = _job(text.split(), cores_per_node, specs)
        except BournError as error:
            raise BournError(f"{number}: {error.message}") from None
        if job is None:
            found.skipped += 1
        else:
            found.jobs.append(job)
    return found


def _job(
    words: list[str], cores_per_node: int, specs: dict[tuple[int, float], InternedJobspec]
) -> Job | None:
    if len(words) != len(FIELDS):
        raise BournError(f"a job has {len(FIELDS)} fields, not {len(words)}")
    values: list[float] = []
    for name, word in zip(FIELDS, words, strict=True):
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not -1 <= value < 1e15:
            raise BournError(f"{name}: must be a number, or -1 for unknown, not '{word}'")
        values.append(value)
    submit, runtime, limit = values[1], values[3], values[8]
    size = int(values[7]) if values[7] > 0 else int(values[4])
    if submit < 0:
        raise BournError(f"submit time: must be known, not '{words[1]}'")
    if size < 1 or runtime < 0:
        return None
    if limit <= 0:
        limit = max(runtime, 1.0)
    if cores_per_node:
        size = -(-size // cores_per_node)
    spec = specs.get((size, limit))
    if spec is None:
        if cores_per_node:
            spec = sized_jobspec(nnodes=size, duration=limit)
        else:
            spec = sized_jobspec(ncores=size, duration=limit)
        specs[size, limit] = spec
    return Job(words[0], submit, runtime, spec, user=max(0, int(values[11])))


def _leading_int(text: str) -> int:
    word = text.split()[0] if text.split() else ""
    return int(word) if word.isdecimal() else 0
