"""Axes of charts: round ticks, for time in the units that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from bourn.model.duration import format_duration
from bourn_plugins.simulate.svg import GRID, INK

if TYPE_CHECKING:
    from bourn_plugins.simulate.svg import Svg

_TIME_STEPS = (
    *(m * 10.0**e for e in range(-3, 1) for m in (1, 2, 5)), 10, 30, 60, 120, 300, 600, 1800, 3600, 7200,
    3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400,
)  # fmt: skip


@frozen
class TimeAxis:
    """Maps times from `begin` to `end` onto x from `left` over `width` pixels."""

    begin: float
    end: float
    left: float
    width: float

    def x(self, time: float) -> float:
        """Return the place of a time."""
        span = self.end - self.begin
        return self.left + (self.width * (time - self.begin) / span if span else 0.0)

    def draw(self, svg: Svg, top: float, bottom: float) -> None:
        """Draw a grid line and a label for each tick; labels count from the beginning."""
        step = _time_step(self.end - self.begin)
        tick = 0.0
        while step and tick <= (self.end - self.begin) * 1.0001:
            x = self.x(self.begin + tick)
            svg.line(x, top, x, bottom, GRID)
            svg.text(x, bottom + 14, format_duration(round(tick, 6)) if tick else "0", anchor="middle")
            tick += step
        svg.line(self.left, bottom, self.left + self.width, bottom, INK)


def _time_step(span: float) -> float:
    for step in _TIME_STEPS:
        if span / step <= 10:
            return float(step)
    days = 28.0 * 86400
    while span / days > 10:
        days *= 2
    return days


def round_top(value: float) -> float:
    """Return the least of 1, 2, 5, 10, 20, ... that isn't less than a value."""
    top = 1.0
    while True:
        for factor in (1, 2, 5):
            if top * factor >= value:
                return top * factor
        top *= 10
