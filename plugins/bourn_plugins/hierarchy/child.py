"""A child instance as its parent knows it. Pure: the clock is an argument."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.hookspecs.sched import AllocRequest
    from bourn_plugins.hierarchy.fit import Capacity, Needs
    from bourn_plugins.hierarchy.shape import Part

RETRY_SECONDS = 1.0
"""How long a child that ended before it was up stays away; twice as long each time, at most a minute."""


class ChildState(Enum):
    """Where a child is in its life."""

    ABSENT = "absent"
    RAISING = "raising"  # its job is submitted
    UP = "up"
    AWAY = "away"  # its job is active, its connection isn't
    LEAVING = "leaving"  # it was told to end


class Entry:
    """A job that the hierarchy has taken: waiting here, or handed down."""

    __slots__ = (
        "cancelled",
        "child",
        "denied",
        "held",
        "needs",
        "queued",
        "recalled",
        "request",
        "returning",
        "running",
        "tries",
    )

    def __init__(self, request: AllocRequest, needs: Needs) -> None:
        self.request = request
        self.needs = needs
        self.child: Child | None = None
        self.queued = False
        """Whether it waits for a child."""
        self.running = False
        """Whether it has resources, as far as this instance knows."""
        self.recalled = False
        """The job manager wants the request back."""
        self.returning = False
        """It is wanted back from its child, for another one."""
        self.cancelled = False
        """The job is being ended, so exceptions of the child say nothing new."""
        self.held: list[tuple[str, dict[str, object], float]] | None = None
        """What happened to it while a prolog runs here."""
        self.tries = 0
        """How many children died while it ran in them."""
        self.denied: frozenset[int] = frozenset()
        """Children that said that they can't run it."""

    @property
    def kind(self) -> tuple[Needs, frozenset[int]]:
        """What makes the difference to where it can go."""
        return self.needs, self.denied

    @property
    def key(self) -> tuple[int, float, int]:
        """Sorts by priority, then age."""
        request = self.request
        return (-request.priority, request.t_submit, request.id)


class Child:
    """A place in the tree and, when it is up, the instance there (`bourn.hookspecs.distribution.Child`)."""

    def __init__(self, index: int, part: Part, capacity: Capacity) -> None:
        self.index = index
        self.part = part
        self.capacity = self.usable = capacity
        """What it has, and that without nodes which take no new jobs."""
        self.closed = ""
        """Its ranks of these nodes, as an idset."""
        self.nnodes = len(capacity.nodes)
        self.ncores = capacity.ncores
        self.ngpus = capacity.ngpus
        self.state = ChildState.ABSENT
        self.since = 0.0
        """When it got into this state."""
        self.jobid = 0
        self.uri = ""
        self.ranks: tuple[int, ...] = ()
        """The parent's ranks, by the child's."""
        self.jobs: dict[int, Entry] = {}
        """What it was given and that isn't over."""
        self.running = 0
        self.cores_busy = 0
        self.idle_since = 0.0
        self.failures = 0
        self.not_before = 0.0
        self.note = ""
        """How it ended that was last here, if nobody had asked it to."""
        self.done = 0
        """Jobs that it has finished, ever."""
        self._second = (0, 0, 0)
        """(which second, jobs finished in it, in the one before)."""

    def become(self, capacity: Capacity) -> None:
        """Take what it has in fact."""
        self.capacity = self.usable = capacity
        self.closed = ""
        self.nnodes, self.ncores, self.ngpus = len(capacity.nodes), capacity.ncores, capacity.ngpus

    def close(self, ranks: Sequence[int]) -> bool:
        """Take no new jobs on these of its ranks, and on the others again; return whether that is news."""
        closed = str(IdSet(ranks))
        if closed == self.closed:
            return False
        self.closed = closed
        nodes = tuple(node for rank, node in enumerate(self.capacity.nodes) if rank not in ranks)
        self.usable = self.capacity._replace(nodes=nodes)
        return True

    def enter(self, state: ChildState, now: float) -> None:
        """Change the state."""
        self.state, self.since = state, now

    @property
    def pending(self) -> int:
        """Jobs that it was given and that haven't started."""
        return len(self.jobs) - self.running

    def take(self, entry: Entry) -> None:
        """Note a job that is handed down to it."""
        entry.child = self
        self.jobs[entry.request.id] = entry
        self.cores_busy += entry.needs.ncores

    def give_back(self, entry: Entry, now: float) -> None:
        """Note that it doesn't have a job any more."""
        if self.jobs.pop(entry.request.id, None) is None:
            return
        entry.child = None
        self.cores_busy -= entry.needs.ncores
        if entry.running:
            self.running -= 1
        if not self.jobs:
            self.idle_since = now

    def finished(self, count: int, now: float) -> None:
        """Count jobs that it has finished."""
        self.done += count
        second = int(now)
        last, here, before = self._second
        if second != last:
            here, before = 0, here if second == last + 1 else 0
        self._second = (second, here + count, before)

    def room(self, backlog: int, now: float) -> int:
        """Return how many jobs may be added: what a child can't start soon is better kept for the others."""
        last, here, before = self._second
        recent = max(here, before) if int(now) - last <= 1 else 0
        return backlog + 2 * self.ncores + recent - self.pending

    def failed(self, now: float) -> None:
        """Note that its job ended though nobody wanted it to; it's raised again, later each time."""
        self.failures += 1
        self.not_before = now + min(RETRY_SECONDS * 2 ** (self.failures - 1), 60.0)


def largest(children: Sequence[Child]) -> str:
    """Describe the largest child, for the reason why a job fits none."""
    child = max(children, key=lambda c: (c.ncores, c.ngpus))
    text = f"{child.ncores} core{'s' if child.ncores != 1 else ''}"
    if child.nnodes > 1:
        text += f" on {child.nnodes} nodes"
    return text + (f" and {child.ngpus} GPUs" if child.ngpus else "")
