"""The Gantt chart: who had which cores of which node, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.simulate.axis import TimeAxis
from bourn_plugins.simulate.svg import INK, PALETTE, Svg
from bourn_plugins.simulate.usage import mask_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bourn_plugins.simulate.job import Record
    from bourn_plugins.simulate.machine import Machine
    from bourn_plugins.simulate.simulation import Result

_LEFT, _TOP, _WIDTH, _FOOT = 90.0, 34.0, 860.0, 30.0
_MOST_TITLES = 5000
"""With more rectangles than that, a picture with a tip for each would be too large to open."""


def gantt_chart(result: Result, machine: Machine, title: str = "") -> str:
    """Return an SVG: a lane a node, a lane's height shared by its cores; time from the first submission."""
    ranks = sorted(machine.names)
    lane = max(0.25, min(40.0, 640.0 / len(ranks)))
    height = lane * len(ranks)
    svg = Svg(_LEFT + _WIDTH + 20, _TOP + height + _FOOT)
    begin = result.series.times[0] if result.series.times else 0.0
    axis = TimeAxis(begin, result.end, _LEFT, _WIDTH)
    svg.text(_LEFT, 20, title or f"{len(result.records)} jobs on {len(ranks)} nodes", size=14)
    axis.draw(svg, _TOP, _TOP + height)
    every = max(1, round(14 / lane))
    for place, rank in enumerate(ranks):
        if place % every == 0:
            svg.text(
                _LEFT - 8, _TOP + place * lane + min(lane, 14) / 2 + 4, machine.names[rank], anchor="end"
            )
    places = {rank: place for place, rank in enumerate(ranks)}
    records = [record for record in result.records if record.start is not None]
    with_titles = len(records) <= _MOST_TITLES
    for record in records:
        assert record.start is not None
        end = result.end if record.end is None else record.end
        left, right = axis.x(record.start), axis.x(end)
        color = PALETTE[(record.id - 1) % len(PALETTE)]
        tip = _tip(record, record.start, end) if with_titles else ""
        for top, tall in _strips(record, machine, places):
            svg.rect(
                left,
                _TOP + top * lane,
                max(right - left, 0.2),
                tall * lane,
                color,
                title=tip,
                stroke="white" if lane * tall > 3 else "",
            )
    for place in range(0, len(ranks) + 1, every):
        svg.line(
            _LEFT, _TOP + place * lane, _LEFT + _WIDTH, _TOP + place * lane, INK if every == 1 else "#eeeeee"
        )
    return str(svg)


def _tip(record: Record, start: float, end: float) -> str:
    size = f"{record.nnodes} nodes, {record.ncores} cores"
    if record.ngpus:
        size += f", {record.ngpus} GPUs"
    return f"job {record.job.name}: {size}, {start:g} to {end:g} s"


def _strips(record: Record, machine: Machine, places: dict[int, int]) -> Iterator[tuple[float, float]]:
    """Yield (top, height) of what a job had, in lanes; neighbours that it had whole are one strip."""
    for entry in record.R_lite:
        cores = mask_of(entry["children"].get("core", ""))
        whole: list[int] = []
        mask = mask_of(str(entry["rank"]))
        while mask:
            rank = (mask & -mask).bit_length() - 1
            mask &= mask - 1
            own = machine.cores[rank]
            if not cores or cores & own == own:
                whole.append(places[rank])
            else:
                for first, count in runs(_positions(cores, own)):
                    lanes = own.bit_count()
                    yield places[rank] + first / lanes, count / lanes
        yield from ((float(first), float(count)) for first, count in runs(whole))


def _positions(cores: int, own: int) -> list[int]:
    """Return the positions of some cores among those that a node has."""
    found, position = [], 0
    while own:
        bit = own & -own
        own ^= bit
        if cores & bit:
            found.append(position)
        position += 1
    return found


def runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, length) of the runs of neighbours in ascending numbers."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = number
        elif number != last + 1:
            yield first, last + 1 - first
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last + 1 - first
