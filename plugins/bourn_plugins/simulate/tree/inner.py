"""An instance that hands jobs down: its broker, and the distributor that a real one has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from bourn.hookspecs.sched import AllocRequest
from bourn_plugins.hierarchy.child import Child, ChildState
from bourn_plugins.hierarchy.distributor import Distributor
from bourn_plugins.simulate.tree.work import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.hookspecs.distribution import DistributionPolicy
    from bourn.model.interned import InternedJobspec
    from bourn_plugins.hierarchy.fit import Capacity
    from bourn_plugins.hierarchy.shape import Part
    from bourn_plugins.simulate.tree.costs import Costs
    from bourn_plugins.simulate.tree.leaf import Task
    from bourn_plugins.simulate.tree.work import Clock, Cpus


class Below(Protocol):
    """An instance, whichever."""

    def put(self, *tasks: Task) -> None:
        """Take jobs."""
        ...


class Inner:
    """Its broker has a CPU of its own; a batch between it and a child takes the time of a hop."""

    def __init__(
        self,
        clock: Clock,
        cpus: Cpus,
        parts: Sequence[tuple[Part, Capacity]],
        policy: DistributionPolicy,
        backlog: int,
        costs: Costs,
        jobspec: Callable[[Task], InternedJobspec],
        ended: Callable[[list[Task]], None],
        *,
        reports: bool,
    ) -> None:
        """Take the children's parts; the rest is as for a `Leaf`."""
        self._clock = clock
        self._hop = costs.hop
        self._jobspec = jobspec
        self._ended = ended
        self._children = [Child(index, part, capacity) for index, (part, capacity) in enumerate(parts)]
        for child in self._children:
            child.state = ChildState.UP
        self._distributor = Distributor(self._children, policy, backlog)
        self._tasks: dict[int, Task] = {}
        cost = costs.hand + costs.report * reports
        self.broker: Server[tuple[Task, Child | None]] = Server(cpus, lambda item: cost / 2, self._turn)
        self.below: list[Below] = []
        """The children, once they are made."""

    def put(self, *tasks: Task) -> None:
        """Take jobs."""
        self.broker.put(*((task, None) for task in tasks))

    def taker(self, index: int) -> Callable[[list[Task]], None]:
        """Return what a child is to call when jobs are over."""
        child = self._children[index]

        def take(tasks: list[Task]) -> None:
            self._clock.after(self._hop, lambda: self.broker.put(*((task, child) for task in tasks), side=1))

        return take

    def _turn(self, batch: list[tuple[Task, Child | None]]) -> None:
        now, distributor = self._clock.now, self._distributor
        over = []
        for task, child in batch:
            if child is None:
                self._tasks[task.id] = task
                jobspec = self._jobspec(task)
                request = AllocRequest(task.id, 16, 0, 0.0, jobspec)
                distributor.add(request, distributor.needs(jobspec, None))
            else:
                over.append(self._tasks.pop(task.id))
                distributor.remove(distributor.entries[task.id], now)
                child.finished(1, now)
        if over:
            self._ended(over)
        for child, entries in distributor.assign(now).items():
            tasks = [self._tasks[entry.request.id] for entry in entries]
            self._clock.after(self._hop, partial(self.below[child.index].put, *tasks))
