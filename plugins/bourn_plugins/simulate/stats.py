"""Figures of a simulation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bourn_plugins.simulate.simulation import Result


@frozen
class Spread:
    """A distribution: percentiles are values that occur (nearest rank)."""

    mean: float
    median: float
    p95: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the distribution of some values; zeros if there is none."""
        ordered = sorted(values)
        if not ordered:
            return cls(0.0, 0.0, 0.0, 0.0)
        return cls(math.fsum(ordered) / len(ordered), _rank(ordered, 50), _rank(ordered, 95), ordered[-1])


def _rank(ordered: Sequence[float], percent: int) -> float:
    return ordered[-(-len(ordered) * percent // 100) - 1]


@frozen
class Use:
    """How well one type of resource was used, as fractions of the capacity."""

    capacity: int
    whole: float
    """From the first submission to the end."""
    sustained: float | None
    """While jobs waited, which is when a scheduler can be blamed; None if none ever did."""


@frozen
class Summary:
    """What a simulation came to. Times in seconds."""

    states: dict[str, int]
    """Jobs by state."""
    makespan: float
    """From the first submission to the end."""
    use: dict[str, Use]
    """By type, of those that some job used."""
    wait: Spread
    slowdown: Spread
    """Bounded slowdown (`job.Record.slowdown`)."""
    queue_mean: float
    queue_max: int
    late: int
    """Jobs that started more than a second after the scheduler's first estimate."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, rounded for a reader."""
        found: dict[str, Any] = _rounded(asdict(self))
        return found


def summarise(result: Result, capacity: Mapping[str, int]) -> Summary:
    """Return the figures of a simulation."""
    records, series = result.records, result.series
    begin = series.times[0] if series.times else result.end
    span = result.end - begin
    states: dict[str, int] = {}
    for record in records:
        states[record.state] = states.get(record.state, 0) + 1
    rows = [(i, seconds) for i, seconds in series.spans(result.end) if seconds > 0]
    busy = [(i, seconds) for i, seconds in rows if series.pending[i]]
    waited = math.fsum(seconds for _, seconds in busy)
    use = {}
    for type, column in series.used.items():
        if any(column):
            whole = math.fsum(column[i] * seconds for i, seconds in rows)
            sustained = math.fsum(column[i] * seconds for i, seconds in busy)
            units = capacity[type]
            use[type] = Use(
                units, _share(whole, units * span), sustained / (units * waited) if busy else None
            )
    return Summary(
        dict(sorted(states.items())),
        span,
        use,
        Spread.of(record.wait for record in records if record.wait is not None),
        Spread.of(record.slowdown for record in records if record.slowdown is not None),
        _share(math.fsum(series.pending[i] * seconds for i, seconds in rows), span),
        max(series.pending, default=0),
        sum(
            record.start is not None and record.estimate is not None and record.start > record.estimate + 1
            for record in records
        ),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 6) if isinstance(value, float) else value
