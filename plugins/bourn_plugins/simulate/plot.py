"""The plot of a simulation over time: utilisation of each type of resource, and the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.simulate.axis import TimeAxis, round_top
from bourn_plugins.simulate.svg import GRID, INK, PALETTE, Svg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn_plugins.simulate.simulation import Result

_LEFT, _TOP, _WIDTH, _HEIGHT, _GAP = 60.0, 34.0, 860.0, 110.0, 40.0
_COLUMNS = 430
"""A column is two pixels wide: a row of the series may be much shorter."""


def usage_plot(result: Result, capacity: Mapping[str, int], title: str = "") -> str:
    """Return an SVG with a panel for each type in use, in percent, and one for waiting and running jobs."""
    series = result.series
    begin = series.times[0] if series.times else 0.0
    axis = TimeAxis(begin, result.end, _LEFT, _WIDTH)
    types = [type for type, column in series.used.items() if any(column)]
    svg = Svg(_LEFT + _WIDTH + 20, _TOP + (len(types) + 1) * (_HEIGHT + _GAP))
    svg.text(_LEFT, 18, title or f"{len(result.records)} jobs", size=14)
    top = _TOP + 12
    for i, type in enumerate(types):
        shares = [used / capacity[type] for used in series.used[type]]
        label = f"{type}s in use, % of {capacity[type]:,}"
        _panel(
            svg, axis, top, label, 100, [(PALETTE[i], averages(series.times, shares, axis, 100.0))], fill=True
        )
        top += _HEIGHT + _GAP
    pending = averages(series.times, series.pending, axis)
    running = averages(series.times, series.running, axis)
    most = round_top(max([*pending, *running, 1.0]))
    lines = [(PALETTE[3], pending), (PALETTE[2], running)]
    _panel(svg, axis, top, "jobs: waiting (red), running (green)", most, lines)
    return str(svg)


def _panel(
    svg: Svg,
    axis: TimeAxis,
    top: float,
    label: str,
    most: float,
    lines: Sequence[tuple[str, list[float]]],
    *,
    fill: bool = False,
) -> None:
    bottom = top + _HEIGHT
    axis.draw(svg, top, bottom)
    for tick in (0.0, 0.5, 1.0):
        y = bottom - tick * _HEIGHT
        svg.line(_LEFT, y, _LEFT + _WIDTH, y, INK if tick == 0 else GRID)
        svg.text(_LEFT - 6, y + 4, f"{tick * most:g}", anchor="end")
    for color, values in lines:
        points = []
        width = _WIDTH / len(values)
        for i, value in enumerate(values):
            y = bottom - min(value / most, 1.0) * _HEIGHT
            points += [(_LEFT + i * width, y), (_LEFT + (i + 1) * width, y)]
        if fill:
            svg.polygon([(_LEFT, bottom), *points, (_LEFT + _WIDTH, bottom)], color)
        else:
            svg.polyline(points, color)
    svg.text(_LEFT, top - 5, label)


def averages(
    times: Sequence[float], values: Sequence[float], axis: TimeAxis, scale: float = 1.0
) -> list[float]:
    """Return the mean over time of each of `_COLUMNS` equal parts of the axis."""
    span = axis.end - axis.begin
    if not span:
        return [scale * values[-1] if values else 0.0]
    width = span / _COLUMNS
    sums = [0.0] * _COLUMNS
    for i, value in enumerate(values):
        if not value:
            continue
        start, end = times[i], times[i + 1] if i + 1 < len(times) else axis.end
        first = int((start - axis.begin) / width)
        while start < end and first < _COLUMNS:
            edge = min(end, axis.begin + (first + 1) * width)
            sums[first] += value * max(edge - start, 0.0)
            start = max(edge, start)
            first += 1
    return [scale * total / width for total in sums]
