"""Backfilling: jobs in order of priority, the first that don't fit get reservations, others may pass
them by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from bourn.errors import ConfigError, suggest
from bourn.hookspecs.queue_policy import Ask, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.sched import AllocRequest

MAX_QUEUE_DEPTH = 1_000_000
MAX_RESERVATION_DEPTH = 100_000
QUEUE_DEPTH = 32


@frozen
class BackfillPolicy:
    """Looks at jobs until `queue_depth` of them couldn't start; the first `reservation_depth` of those
    are reserved.
    """

    queue_depth: int = QUEUE_DEPTH
    reservation_depth: int = 1
    strict: bool = False
    """Whether the first job that doesn't fit ends the pass."""

    def begin(self) -> BackfillPass:
        """Start a pass."""
        return BackfillPass(self)

    def order(self, job: AllocRequest) -> Any:
        """Priority, then submission, then arrival."""
        return (-job.priority, job.t_submit, job.id)


@define
class BackfillPass:
    """Counts the jobs that couldn't start."""

    policy: BackfillPolicy
    waiting: int = 0
    reserved: int = 0

    def ask(self, job: AllocRequest) -> Ask:
        """Reserve while there may be reservations, then only allocate, until the depth is reached."""
        policy = self.policy
        if self.waiting >= policy.queue_depth or (policy.strict and self.waiting):
            return Ask.STOP
        return Ask.RESERVE if self.reserved < policy.reservation_depth else Ask.ALLOCATE

    def told(self, job: AllocRequest, outcome: Outcome) -> None:
        """Count what came of it."""
        if outcome is Outcome.BUSY:
            self.waiting += 1
        elif outcome is Outcome.RESERVED:
            self.waiting += 1
            self.reserved += 1


def make(
    options: Mapping[str, Any], *, name: str, reservation_depth: int | None, strict: bool = False
) -> BackfillPolicy:
    """Return a policy with the depths of a table; `reservation_depth` None means as deep as the queue."""
    known = {"queue-depth", "reservation-depth", "max-queue-depth", "max-reservation-depth"}
    for key in options:
        if key not in known:
            raise ConfigError(f"queue policy {name}: unknown option '{key}'{suggest(key, known)}")
    most = _depth(options, "max-queue-depth", MAX_QUEUE_DEPTH, name, MAX_QUEUE_DEPTH)
    most_reserved = _depth(
        options, "max-reservation-depth", MAX_RESERVATION_DEPTH, name, MAX_RESERVATION_DEPTH
    )
    depth = _depth(options, "queue-depth", min(QUEUE_DEPTH, most), name, most)
    default = depth if reservation_depth is None else reservation_depth
    reserved = _depth(options, "reservation-depth", min(default, most_reserved), name, most_reserved)
    return BackfillPolicy(depth, reserved, strict)


def _depth(options: Mapping[str, Any], key: str, default: int, name: str, most: int) -> int:
    value = options.get(key)
    if value is None:
        return default
    least = 0 if key == "reservation-depth" else 1
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(
            f"queue policy {name}: {key} must be an integer from {least} to {most}, not {value!r}"
        )
    return value
