"""What the tasks of a job have used, read from its exec eventlog when somebody asks for it.

The job's record has no column for it: nothing is written for what few look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.store import Store

EXEC_LOG = "guest.exec.eventlog"
KIB = 1024
_decode = msgspec.json.Decoder().decode


def usage(store: Store, jobid: int) -> dict[str, Any] | None:
    """Return {wall, cpu, maxrss} of a job (seconds, seconds, bytes); None if it isn't known (yet)."""
    try:
        return sum_up(store.events(jobid, EXEC_LOG))
    except BournError:
        return None  # it has been purged since


def sum_up(texts: Iterable[str]) -> dict[str, Any] | None:
    """Add up what the job's shells tell: the longest time, all processor time, the greatest task."""
    wall, cpu, maxrss, known = 0.0, 0.0, 0, False
    for text in texts:
        if '"usage"' not in text:
            continue
        for line in text.splitlines():
            used = (_decode(line).get("context") or {}).get("usage") if '"usage"' in line else None
            if isinstance(used, dict):
                known = True
                wall = max(wall, used.get("wall", 0.0))
                cpu += used.get("user", 0.0) + used.get("system", 0.0)
                maxrss = max(maxrss, used.get("maxrss", 0))
    return {"wall": wall, "cpu": round(cpu, 6), "maxrss": maxrss * KIB} if known else None
