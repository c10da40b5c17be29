"""Which job goes to which child, and when: a plain object without I/O or clock."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from bourn.model.overrides import LABELS
from bourn_plugins.hierarchy.child import Child, ChildState, Entry
from bourn_plugins.hierarchy.fit import Needs, needs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from bourn.hookspecs.distribution import DistributionPolicy
    from bourn.hookspecs.sched import AllocRequest
    from bourn.model.interned import InternedJobspec

    Kind = tuple[Needs, frozenset[int]]
    Queue = list[tuple[tuple[int, float, int], int, Entry]]


class Distributor:
    """The jobs that wait for a child, and those that children have.

    Args:
        children: all places of the level, in the order of `Child.index`.
        policy: chooses among children that are up, fit and have room.
        backlog: see `[hierarchy] backlog`.
        complain: told when the policy fails; round robin then decides.
    """

    def __init__(
        self,
        children: Sequence[Child],
        policy: DistributionPolicy,
        backlog: int,
        complain: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.children = children
        self.policy = policy
        self.backlog = backlog
        self.entries: dict[int, Entry] = {}
        """All jobs that were taken and aren't over, by id."""
        self.hold = False
        """Nothing is handed down: children that may have jobs haven't come back yet."""
        self.blocked = False
        """A job waits for this instance's own resources: children get nothing new."""
        self._complain = complain
        self._queues: dict[Kind, Queue] = {}
        self._waiting = 0
        self._serial = 0
        self._turn = -1
        self._known: WeakKeyDictionary[InternedJobspec, Needs] = WeakKeyDictionary()

    # Jobs

    def needs(self, jobspec: InternedJobspec, overrides: Mapping[str, Any] | None) -> Needs:
        """Return what a job asks for."""
        if overrides and not all(path.startswith(LABELS) for path in overrides):
            from bourn.model.counts import jobspec_counts
            from bourn.model.overrides import apply_overrides

            return needs_of(jobspec_counts(apply_overrides(jobspec.obj, dict(overrides))))
        found = self._known.get(jobspec)
        if found is None:
            found = self._known[jobspec] = needs_of(jobspec.counts)
        return found

    def fits(self, needs: Needs, denied: frozenset[int] = frozenset()) -> bool:
        """Say whether any child could ever run such a job; `denied` are those that said no."""
        return any(_takes(child, (needs, denied)) for child in self.children)

    def add(self, request: AllocRequest, needs: Needs) -> Entry:
        """Take a job, which waits for a child."""
        entry = self.entries[request.id] = Entry(request, needs)
        self._queue(entry)
        return entry

    def adopt(self, entry: Entry, child: Child, *, running: bool) -> None:
        """Note that a child has a job: it came back with it."""
        self.entries[entry.request.id] = entry
        self._unqueue(entry)
        if entry.child is None:
            child.take(entry)
        if running and not entry.running:
            entry.running = True
            child.running += 1

    def started(self, entry: Entry) -> None:
        """Note that the child has given a job its resources."""
        if not entry.running and entry.child is not None:
            entry.running = True
            entry.returning = False
            entry.child.running += 1

    def put_back(self, entry: Entry, now: float) -> None:
        """Have a job of a child wait for another one."""
        if entry.child is not None:
            entry.child.give_back(entry, now)
        entry.running = entry.returning = False
        self._queue(entry)

    def remove(self, entry: Entry, now: float) -> None:
        """Forget a job: it is over, or wanted back."""
        if self.entries.pop(entry.request.id, None) is None:
            return
        if entry.child is not None:
            entry.child.give_back(entry, now)
        self._unqueue(entry)

    def prioritize(self, id: int, priority: int) -> None:
        """Take a changed priority; of a job that is handed down it matters no more here."""
        entry = self.entries.get(id)
        if entry is not None:
            entry.request.priority = priority
            if entry.queued:
                self._unqueue(entry)
                self._queue(entry)

    @property
    def waiting(self) -> int:
        """How many jobs wait for a child."""
        return self._waiting

    def wanted(self) -> set[int]:
        """Return the children that are absent and that some waiting job would fit."""
        absent = [child for child in self.children if child.state is ChildState.ABSENT]
        kinds = [kind for kind, queue in self._queues.items() if self._head(queue) is not None]
        return {child.index for child in absent if any(_takes(child, kind) for kind in kinds)}

    # Decisions

    def assign(self, now: float) -> dict[Child, list[Entry]]:
        """Hand down what can be: which jobs each child gets now, in order."""
        given: dict[Child, list[Entry]] = {}
        if self.hold or self.blocked or not self._waiting:
            return given
        room = {c: c.room(self.backlog, now) for c in self.children if c.state is ChildState.UP}
        room = {child: count for child, count in room.items() if count > 0}
        open_to: dict[Kind, list[Child]] = {}
        for kind, queue in list(self._queues.items()):
            if self._head(queue) is None:
                del self._queues[kind]
            elif fitting := [child for child in room if _takes(child, kind) and kind[0].fit(child.usable)]:
                open_to[kind] = fitting
        while open_to:
            kind = min(open_to, key=self._first) if len(open_to) > 1 else next(iter(open_to))
            queue = self._queues[kind]
            entry = queue[0][2]
            child = self._choose(entry.request, open_to[kind])
            if child is None:
                del open_to[kind]  # kept back by the policy: its like wait behind it
                continue
            heapq.heappop(queue)
            self._unqueue(entry)
            child.take(entry)
            given.setdefault(child, []).append(entry)
            if self._head(queue) is None:
                del open_to[kind]
            room[child] -= 1
            if not room[child]:
                open_to = {k: [c for c in cs if c is not child] for k, cs in open_to.items()}
                open_to = {k: cs for k, cs in open_to.items() if cs}
        return given

    def _choose(self, request: AllocRequest, children: list[Child]) -> Child | None:
        try:
            position = self.policy.choose(request, children)
            if position is None:
                return None
            if type(position) is int and 0 <= position < len(children):
                return children[position]
            self._complain(f"returned {position!r}; there are {len(children)} children to choose from")
        except Exception as error:
            self._complain(f"{type(error).__name__}: {error}")
        later = [child for child in children if child.index > self._turn]
        child = (later or children)[0]
        self._turn = child.index
        return child

    def _first(self, kind: Kind) -> tuple[int, float, int]:
        return self._queues[kind][0][0]

    def _queue(self, entry: Entry) -> None:
        self._serial += 1
        self._waiting += 1
        entry.queued = True
        heapq.heappush(self._queues.setdefault(entry.kind, []), (entry.key, self._serial, entry))

    def _unqueue(self, entry: Entry) -> None:
        if entry.queued:
            entry.queued = False
            self._waiting -= 1

    def _head(self, queue: Queue) -> Entry | None:
        """Return the first job that still waits; those that don't any more are dropped."""
        while queue:
            key, _, entry = queue[0]
            if entry.queued and key == entry.key:
                return entry
            heapq.heappop(queue)
        return None


def _takes(child: Child, kind: Kind) -> bool:
    needs, denied = kind
    return child.index not in denied and needs.fit(child.capacity)
