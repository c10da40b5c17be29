"""Whole commands, timed from outside."""

from __future__ import annotations

import statistics
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def median(command: Sequence[str], env: Mapping[str, str] | None = None, count: int = 11) -> float:
    """Return the median seconds of running `command`, after one run that isn't counted."""
    times = []
    for _ in range(count + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])
