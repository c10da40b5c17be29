"""An instance that runs its jobs itself: broker, a shell host a node, cores that jobs hold."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define

from bourn_plugins.simulate.tree.work import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn_plugins.simulate.tree.costs import Costs
    from bourn_plugins.simulate.tree.work import Clock, Cpus


@define(eq=False)
class Task:
    """A job on its way through the tree: one task on some cores."""

    id: int
    ncores: int
    runtime: float
    """Seconds, beside what it costs to start and end."""
    submit: float = 0.0
    start: float | None = None
    end: float | None = None
    node: int = -1
    """Of its leaf, once it has one."""


class Leaf:
    """Jobs start in order, on the first node with enough idle cores."""

    def __init__(
        self,
        clock: Clock,
        cpus: Sequence[Cpus],
        cores: Sequence[int],
        costs: Costs,
        ended: Callable[[list[Task]], None],
        *,
        reports: bool,
    ) -> None:
        """Take nodes, each with its `cpus` and `cores`; the broker is on the first.

        `ended` is told of jobs that are over, a batch at a time; `reports`: a parent's broker.
        """
        cost = costs.broker + costs.report * reports
        self._clock = clock
        self._costs = costs
        self._ended = ended
        self._cpus = cpus
        self._idle = list(cores)
        self._queue: deque[Task] = deque()
        self.broker: Server[Task] = Server(cpus[0], lambda task: cost / 2, self._turn)
        self._hosts = [Server(pool, lambda task: costs.host / 2, self._launched) for pool in cpus]

    def put(self, *tasks: Task) -> None:
        """Take jobs."""
        self.broker.put(*tasks)

    def _turn(self, batch: list[Task]) -> None:
        over = [task for task in batch if task.node >= 0]
        for task in over:
            self._idle[task.node] += task.ncores
            task.end = self._clock.now
        if over:
            self._ended(over)
        self._queue.extend(task for task in batch if task.node < 0)
        while self._queue and self._start(self._queue[0]):
            self._queue.popleft()

    def _start(self, task: Task) -> bool:
        for node, idle in enumerate(self._idle):
            if idle >= task.ncores:
                self._idle[node] -= task.ncores
                task.node = node
                self._hosts[node].put(task)
                return True
        return False

    def _launched(self, batch: list[Task]) -> None:
        """Tasks that a host has started run; those that it has seen end are reported."""
        for task in batch:
            if task.start is None:
                task.start = self._clock.now
                self._cpus[task.node].work(self._costs.task, self._runs(task))
            else:
                self.broker.put(task, side=1)

    def _runs(self, task: Task) -> Callable[[], None]:
        return lambda: self._clock.after(task.runtime, lambda: self._hosts[task.node].put(task, side=1))
