"""Distribution policies: which child instance of a hierarchy gets a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.hookspecs.sched import AllocRequest

__all__ = ["Child", "DistributionPolicy", "DistributionPolicySpec", "bourn_distribution_policies"]


class Child(Protocol):
    """A child instance as its parent knows it."""

    @property
    def index(self) -> int:
        """0.. in the order of its resources."""
        ...

    @property
    def jobid(self) -> int:
        """The job that the child is."""
        ...

    @property
    def nnodes(self) -> int: ...  # noqa: D102
    @property
    def ncores(self) -> int: ...  # noqa: D102
    @property
    def ngpus(self) -> int: ...  # noqa: D102
    @property
    def pending(self) -> int:
        """Jobs that it was given and that haven't started."""
        ...

    @property
    def running(self) -> int: ...  # noqa: D102
    @property
    def cores_busy(self) -> int:
        """Cores of the jobs that it was given and that aren't over."""
        ...


@runtime_checkable
class DistributionPolicy(Protocol):
    """Chooses children. Pure; it may keep state, such as whose turn it is."""

    def choose(self, job: AllocRequest, children: Sequence[Child]) -> int | None:
        """Return the position in `children` of the one that gets the job, or None to keep it back for now.

        `children` holds those that are up, big enough for the job and have room for more; it isn't empty. A
        job that is kept back is asked for again when something has changed, and so are those like it.
        """
        ...


@frozen
class DistributionPolicySpec:
    """A kind of distribution policy."""

    name: str
    """Unique; by it a site chooses."""
    factory: Callable[[Mapping[str, Any]], DistributionPolicy]
    """Builds one from its options; raise `ConfigError` for a wrong one."""
    summary: str = ""


@hookspec
def bourn_distribution_policies() -> Iterable[DistributionPolicySpec]:
    """Register ways to hand jobs to the children of an instance.

    Called: once, when an instance with a hierarchy starts, or is given one (``bourn tree``).
    Process: broker, rank 0, of each instance that has children.
    Order: ``[hierarchy] policy`` picks one by name; order doesn't matter.
    Errors: an exception leaves this plugin's policies out; if the chosen one is missing the instance doesn't
    start. A policy that raises, or returns a position that isn't there, is logged and the job goes round
    robin.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.distribution import DistributionPolicySpec


        class Emptiest:
            '''Whoever has the largest share of its cores idle.'''

            def choose(self, job, children):
                return min(range(len(children)), key=lambda i: children[i].cores_busy / children[i].ncores)


        @hookimpl
        def bourn_distribution_policies():
            yield DistributionPolicySpec("emptiest", lambda options: Emptiest())
    """
    raise NotImplementedError
