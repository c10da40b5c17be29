"""How the programs that kill end: a line that says what was done, and the faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 20
"""Faults that are printed at most: they come in swarms."""


def report(done: str, wrong: Sequence[str]) -> int:
    """Print what was done and what was wrong; return how many faults there are."""
    print(f"{done}, {len(wrong)} faults")
    for fault in wrong[:SHOWN]:
        print(f"  {fault}")
    return len(wrong)
