"""The table `[sched-simple]`."""

from __future__ import annotations

from typing import Literal

from attrs import frozen


@frozen
class SimpleTable:
    """How the simple scheduler chooses among nodes that have room."""

    fit: Literal["first", "best"] = "first"
    """``first``: the lowest rank; ``best``: the fullest node, so that others stay whole."""
