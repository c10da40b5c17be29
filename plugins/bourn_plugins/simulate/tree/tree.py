"""A tree of instances at work on many jobs: how long they take, and who is busy."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from attrs import frozen

from bourn.errors import BournError
from bourn_plugins.hierarchy.fit import Capacity
from bourn_plugins.hierarchy.shape import LEAF, divide, parse_shape
from bourn_plugins.simulate.job import sized_jobspec
from bourn_plugins.simulate.tree.inner import Inner
from bourn_plugins.simulate.tree.leaf import Leaf, Task
from bourn_plugins.simulate.tree.work import Clock, Cpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.hookspecs.distribution import DistributionPolicy
    from bourn.model.interned import InternedJobspec
    from bourn_plugins.hierarchy.shape import Part
    from bourn_plugins.simulate.tree.costs import Costs

    Nodes = Sequence[tuple[int, int]]

_submit = attrgetter("submit")
BACKLOG = 32
"""As `[hierarchy] backlog`."""


@frozen
class Level:
    """The instances of one level, as their brokers were busy."""

    instances: int
    mean: float
    """Share of the time, 0 to 1."""
    most: float


@frozen
class Outcome:
    """What came of it. Seconds."""

    tasks: list[Task]
    makespan: float
    levels: list[Level]
    """The root first."""

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return len(self.tasks) / self.makespan if self.makespan else 0.0


class Tree:
    """Instances over nodes; use it once.

    Args:
        shape: as `[hierarchy] shape`, or ``.`` for one instance.
        nodes: (cores, GPUs) of each.
        policy: makes the distribution policy of each instance that has children.
        costs: of every instance.
        cpus: if not 0, all share so many CPUs, as brokers and jobs on one machine do; else each leaf has a
            CPU for each of its cores, and each instance above one of its own.
        to_leaves: jobs are dealt out to the instances of the lowest level, and no other sees them.
    """

    def __init__(
        self,
        shape: str,
        nodes: Nodes,
        policy: Callable[[], DistributionPolicy],
        costs: Costs,
        cpus: int = 0,
        *,
        to_leaves: bool = False,
    ) -> None:
        self._clock = Clock()
        self._policy = policy
        self._costs = costs
        self._shared = Cpus(self._clock, cpus) if cpus else None
        self._levels: list[list[Inner | Leaf]] = []
        self._done: list[Task] = []
        self._largest = 0
        self._jobspecs: dict[int, InternedJobspec] = {}
        self._leaves: list[Leaf] = []
        self._to_leaves = to_leaves
        self._root = self._raise("" if shape == LEAF else shape, nodes, True, 0, self._done.extend)

    def run(self, tasks: Sequence[Task]) -> Outcome:
        """Submit all, each at its time, and wait for the last to end.

        Raises BournError for one that fits nowhere.
        """
        for task in tasks:
            if task.ncores > self._largest:
                raise BournError(
                    f"job {task.id} wants {task.ncores} cores of a node; an instance of the lowest level has "
                    f"{self._largest} at most"
                )
        doors: list[Inner | Leaf] = [*self._leaves] if self._to_leaves else [self._root]
        for door, own in ((door, tasks[index :: len(doors)]) for index, door in enumerate(doors)):
            for time, group in groupby(sorted(own, key=_submit), key=_submit):
                self._clock.after(time, partial(door.put, *group))
        self._clock.run()
        span = self._clock.now
        levels = [_level([instance.broker.busy for instance in level], span) for level in self._levels]
        return Outcome(list(tasks), span, levels)

    def _raise(
        self, shape: str, nodes: Nodes, whole: bool, depth: int, ended: Callable[[list[Task]], None]
    ) -> Inner | Leaf:
        if len(self._levels) == depth:
            self._levels.append([])
        if not shape:
            cores = [count for count, _ in nodes]
            self._largest = max(self._largest, *cores)
            cpus = [self._cpus(count) for count in cores]
            reports = depth > 0 and not self._to_leaves
            told = ended if reports else self._done.extend
            leaf = Leaf(self._clock, cpus, cores, self._costs, told, reports=reports)
            self._leaves.append(leaf)
            self._levels[depth].append(leaf)
            return leaf
        parts = _placed(divide(nodes, parse_shape(shape)), nodes)
        sizes = [(part, Capacity(tuple(own), part.whole and whole)) for part, own in parts]
        inner = Inner(
            self._clock,
            self._cpus(1),
            sizes,
            self._policy(),
            BACKLOG,
            self._costs,
            self._jobspec,
            ended,
            reports=depth > 0,
        )
        self._levels[depth].append(inner)
        for index, (part, own) in enumerate(parts):
            below = self._raise(part.below, own, part.whole and whole, depth + 1, inner.taker(index))
            inner.below.append(below)
        return inner

    def _cpus(self, count: int) -> Cpus:
        return self._shared or Cpus(self._clock, count)

    def _jobspec(self, task: Task) -> InternedJobspec:
        found = self._jobspecs.get(task.ncores)
        if found is None:
            found = self._jobspecs[task.ncores] = sized_jobspec(nnodes=1, ncores=task.ncores)
        return found


def _placed(parts: Sequence[Part], nodes: Nodes) -> list[tuple[Part, list[tuple[int, int]]]]:
    """Return each part with its nodes as it sees them."""
    found, at = [], 0
    for part in parts:
        if part.whole:
            found.append((part, list(nodes[at : at + part.nnodes])))
            at += part.nnodes
        else:
            found.append((part, [(part.cores, part.gpus)]))
    return found


def _level(busy: Sequence[float], span: float) -> Level:
    shares = [seconds / span if span else 0.0 for seconds in busy]
    return Level(len(shares), sum(shares) / len(shares), max(shares))
