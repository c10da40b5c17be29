"""What a person wants to know of one job, as names and texts: for `bourn job info` and `bourn top`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.cli.format import renderer
from bourn.client.jobfields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FACTS = (
    *("username", "status", "queue", "returncode", "urgency", "priority", "ntasks", "nnodes", "ncores"),
    *("t_submit", "t_run", "runtime", "duration", "t_remaining", "contextual_info", "inactive_reason"),
    *("usage.cpu", "usage.maxrss"),
)
LONG = ("nodelist", "cwd")
"""Facts that may be as long as a line."""

_RENDERERS = {
    **dict.fromkeys(("t_submit", "t_run"), renderer("D", "")),
    **dict.fromkeys(("runtime", "duration", "t_remaining"), renderer("H", "")),
    "usage.cpu": renderer("F", ""),
    "usage.maxrss": renderer("B", ""),
}
_UNSET = ("", None, 0.0)
_NUMBERS = ("urgency", "priority", "returncode")
"""Facts of which 0 says something."""


def facts(record: Mapping[str, Any], names: Sequence[str] = FACTS) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of each fact that is known."""
    for name in names:
        heading, get = FIELDS[name]
        value = get(dict(record))
        if value not in _UNSET or (name in _NUMBERS and value != ""):
            yield heading.lower().replace("_", " "), _RENDERERS.get(name, str)(value)


def clock(seconds: float) -> str:
    """Return a time of at least 0 as 1:02:03."""
    return renderer("H", "")(max(0.0, seconds))
