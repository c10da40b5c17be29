"""What is in use over time: a row for each instant at which something happened."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from bourn.model.count import count_min
from bourn.model.idset import parse_mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bourn.model.interned import InternedJobspec
    from bourn_plugins.simulate.job import Record

mask_of = lru_cache(8192)(parse_mask)
"""The mask of an idset; the same few come again and again."""


@define
class Series:
    """Columns of equal length. `used[type][i]` units were in use from `times[i]` to `times[i + 1]`."""

    times: list[float] = Factory(list)
    used: dict[str, list[int]] = Factory(dict)
    pending: list[int] = Factory(list)
    running: list[int] = Factory(list)

    def spans(self, end: float) -> Iterator[tuple[int, float]]:
        """Yield (row, seconds that it lasted); the last until `end`."""
        times = self.times
        for i in range(len(times)):
            yield i, (times[i + 1] if i + 1 < len(times) else end) - times[i]


class Meter:
    """Counts what is in use now."""

    def __init__(self, capacity: Mapping[str, int]) -> None:
        self.now = dict.fromkeys(capacity, 0)
        self.series = Series(used={type: [] for type in capacity})
        self._users: dict[int, int] = {}
        self._others: dict[InternedJobspec, dict[str, int]] = {}

    def start(self, record: Record) -> None:
        """Take what a job got; its size is noted in its record."""
        nodes, cores, gpus = size_of(record.R_lite)
        record.nnodes, record.ncores, record.ngpus = nodes.bit_count(), cores, gpus
        self._change(record, nodes, 1)

    def end(self, record: Record) -> None:
        """Give it back."""
        nodes = 0
        for entry in record.R_lite:
            nodes |= mask_of(str(entry["rank"]))
        self._change(record, nodes, -1)

    def _change(self, record: Record, nodes: int, sign: int) -> None:
        now, users = self.now, self._users
        if "core" in now:
            now["core"] += sign * record.ncores
        if "gpu" in now:
            now["gpu"] += sign * record.ngpus
        while nodes:
            rank = nodes.bit_length() - 1
            nodes ^= 1 << rank
            count = users[rank] = users.get(rank, 0) + sign
            # A node is in use from its first job's start to its last one's end.
            if count == (1 if sign > 0 else 0):
                now["node"] += sign
        for type, units in self._other(record.job.jobspec).items():
            now[type] += sign * units

    def _other(self, jobspec: InternedJobspec) -> dict[str, int]:
        """Return what a job uses that isn't in R: memory, licences, ..., as it asks for it."""
        units = self._others.get(jobspec)
        if units is None:
            totals = totals_of(jobspec.obj["resources"])
            units = {t: n for t, n in totals.items() if t in self.now and t not in ("node", "core", "gpu")}
            self._others[jobspec] = units
        return units

    def note(self, time: float, pending: int, running: int) -> None:
        """Write a row, if anything has changed."""
        series = self.series
        if (
            series.times
            and pending == series.pending[-1]
            and running == series.running[-1]
            and all(column[-1] == self.now[type] for type, column in series.used.items())
        ):
            return
        series.times.append(time)
        series.pending.append(pending)
        series.running.append(running)
        for type, column in series.used.items():
            column.append(self.now[type])


def size_of(R_lite: Sequence[Mapping[str, Any]]) -> tuple[int, int, int]:
    """Return (mask of ranks, cores, GPUs)."""
    nodes = cores = gpus = 0
    for entry in R_lite:
        ranks = mask_of(str(entry["rank"]))
        nodes |= ranks
        number, children = ranks.bit_count(), entry["children"]
        cores += number * mask_of(children.get("core", "")).bit_count()
        gpus += number * mask_of(children.get("gpu", "")).bit_count()
    return nodes, cores, gpus


def totals_of(resources: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return what a jobspec asks for in all at least, by type."""
    totals: dict[str, int] = {}
    for vertex in resources:
        count = count_min(vertex["count"])
        if vertex["type"] != "slot":
            totals[vertex["type"]] = totals.get(vertex["type"], 0) + count
        for type, units in totals_of(vertex.get("with") or ()).items():
            totals[type] = totals.get(type, 0) + count * units
    return totals
