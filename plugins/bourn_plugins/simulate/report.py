"""The figures of simulations as text."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bourn.model.duration import format_duration
from bourn_plugins.simulate.table import aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn_plugins.simulate.stats import Spread, Summary


def summary_text(
    summary: Summary, facts: Mapping[str, object], capacity: Mapping[str, int], skipped: int = 0
) -> str:
    """Return the figures of one simulation."""
    names = [str(facts["scheduler"])]
    names += [f"{key} {facts[key]}" for key in ("queue-policy", "match-policy") if key in facts]
    sizes = [f"{count:,} {type}{'s' * (count != 1)}" for type, count in capacity.items() if type in _SHOWN]
    states = [f"{count:,} {state}" for state, count in summary.states.items()]
    if skipped:
        states.append(f"{skipped:,} of the trace never ran")
    lines = [
        ("scheduler", ", ".join(names)),
        ("resources", ", ".join(sizes)),
        ("jobs", ", ".join(states)),
        ("makespan", _time(summary.makespan)),
    ]
    for type, use in summary.use.items():
        waiting = "" if use.sustained is None else f"; while jobs waited {use.sustained:.2%}"
        lines.append((f"{type}s used", f"{use.whole:.2%}{waiting}"))
    lines += [
        ("wait", _spread(summary.wait, _time)),
        ("slowdown", _spread(summary.slowdown, "{:.2f}".format)),
        ("queue", f"mean {summary.queue_mean:.1f}, most {summary.queue_max:,}"),
    ]
    if summary.late:
        lines.append(("late", f"{summary.late:,} jobs started later than was estimated first"))
    return "".join(f"{name:<12} {text}\n" for name, text in lines)


_SHOWN = ("node", "core", "gpu")


def repeat_table(summaries: Sequence[Summary], seed: int) -> str:
    """Return a line for each seed, and the mean, deviation, least and greatest of each column."""
    types = [type for type in ("core", "node") if type in summaries[0].use][:1]
    head = ["SEED", "MAKESPAN", *(f"{type.upper()}S%" for type in types), "WAIT", "SLOWDOWN", "QUEUE"]
    columns = [
        [summary.makespan for summary in summaries],
        *([100 * summary.use[type].whole for summary in summaries] for type in types),
        [summary.wait.mean for summary in summaries],
        [summary.slowdown.mean for summary in summaries],
        [summary.queue_mean for summary in summaries],
    ]
    rows = [head, *([str(seed + i), *(f"{c[i]:.2f}" for c in columns)] for i in range(len(summaries)))]
    for name, function in (("mean", statistics.fmean), ("sd", statistics.stdev), ("min", min), ("max", max)):
        rows.append([name, *(f"{function(column):.2f}" for column in columns)])
    return aligned(rows)


def _spread(spread: Spread, say: Callable[[float], str]) -> str:
    mean, median, p95, most = map(say, (spread.mean, spread.median, spread.p95, spread.max))
    return f"mean {mean}, median {median}, 95 % {p95}, most {most}"


def _time(seconds: float) -> str:
    return format_duration(round(seconds, 3))
