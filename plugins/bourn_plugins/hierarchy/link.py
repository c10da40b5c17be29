"""What goes down to one child, put together until the end of a turn.

A message is an object with some of these keys, acted upon in this order: `specs` [[number, jobspec]],
`jobs` [[id, number of its jobspec, urgency, flags, t_submit, overrides or null]], `again` [id], those of
`jobs` that the child may have had before, `urgency` [[id, urgency]], `expiration` [[id, seconds since the
epoch]], `recall` [id], jobs that are wanted back unless they have begun, `closed` [[ranks of the child,
reason]], all that take no new jobs from now on, `kill` [[id, signal]], `cancel` [[id, type, note]], `call`
[[tag, topic, payload]], `ack` (number of the last report that is durable), `stop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn_plugins.hierarchy.jobspec import handed_down, overrides_down

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.broker.request import Request
    from bourn.hookspecs.sched import AllocRequest
    from bourn.model.interned import InternedJobspec

KEPT = 4096
"""Jobspecs that both ends remember; then numbers are given anew."""


class Link:
    """The open stream to a child."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.ranks: tuple[int, ...] = ()
        """Our ranks, by the child's."""
        self._numbers: dict[InternedJobspec, int] = {}
        self._out: dict[str, Any] = {}

    def hand_down(self, job: AllocRequest, urgency: int, *, again: bool) -> None:
        """Give the child a job; `again`: some child has had it before."""
        number = self._numbers.get(job.jobspec)
        if number is None:
            if len(self._numbers) >= KEPT:
                self._numbers.clear()
            number = self._numbers[job.jobspec] = len(self._numbers)
            self.tell("specs", [number, handed_down(job.jobspec.obj, self.ranks)])
        overrides = overrides_down(job.overrides, self.ranks)
        self.tell("jobs", [job.id, number, urgency, 0, job.t_submit, overrides])
        if again:
            self.tell("again", job.id)

    def tell(self, what: str, item: Any) -> None:
        """Add an item to a list of the message."""
        self._out.setdefault(what, []).append(item)

    def close(self, ranks: Sequence[tuple[str, str]]) -> None:
        """Say on which ranks of the child no jobs may begin: (idset, reason); on all others they may."""
        self._out["closed"] = ranks

    def acknowledge(self, seq: int) -> None:
        """Say that all reports up to this one are durable."""
        self._out["ack"] = seq

    def stop(self) -> None:
        """Ask the child to end."""
        self._out["stop"] = True
        self.flush()

    def flush(self) -> None:
        """Send what there is."""
        if self._out:
            out, self._out = self._out, {}
            self.request.respond(out)

    def end(self) -> None:
        """End the stream."""
        self.request.on_cancel = None
        self.request.end()
