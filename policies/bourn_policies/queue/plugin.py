"""Registers the stock queue policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.queue_policy import QueuePolicySpec

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def bourn_queue_policies() -> Iterator[QueuePolicySpec]:
    """First come first served, and three depths of backfilling."""
    from bourn_policies.queue.depth import make

    yield QueuePolicySpec(
        "fcfs",
        lambda options: make(options, name="fcfs", reservation_depth=0, strict=True),
        "first come, first served: the first job that doesn't fit holds back all behind it",
    )
    yield QueuePolicySpec(
        "easy",
        lambda options: make(options, name="easy", reservation_depth=1),
        "the first job that doesn't fit gets a reservation; others start if they don't delay it",
    )
    yield QueuePolicySpec(
        "hybrid",
        lambda options: make(options, name="hybrid", reservation_depth=64),
        "the first jobs that don't fit, 64 unless said otherwise, get reservations",
    )
    yield QueuePolicySpec(
        "conservative",
        lambda options: make(options, name="conservative", reservation_depth=None),
        "every job that is looked at gets a reservation",
    )
