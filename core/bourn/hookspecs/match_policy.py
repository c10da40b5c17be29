"""Match policies: which of the resources that fit a job gets.

A policy chooses how it wants to be asked, by the one method that it has:

=============== ============= ======================================================= =======================
Protocol        method        asked                                                   costs
=============== ============= ======================================================= =======================
`OrderPolicy`   ``order``     once per vertex, when the graph is loaded or changes    nothing per match
`StatePolicy`   ``prefer``    once per distinct *state* that a level has              a few calls per match
`ScorePolicy`   ``score``     for each candidate vertex of each match                 a call per candidate
=============== ============= ======================================================= =======================

A *state* is what a subtree looks like from above: its type, its properties, whether it is up, idle, shared or
taken, and what is free in it. Ten thousand idle, equal nodes have one state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from attrs import frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "ChoicePolicy",
    "Group",
    "MatchPolicy",
    "MatchPolicySpec",
    "OrderPolicy",
    "ScorePolicy",
    "Scorer",
    "StatePolicy",
    "StateView",
    "VertexView",
    "bourn_match_policies",
]


class VertexView(Protocol):
    """A resource vertex as policies see it."""

    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def id(self) -> int:
        """The number in its name: 3 of ``core3``."""
        ...

    @property
    def uniq_id(self) -> int:
        """A number that no other vertex of the graph has."""
        ...

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def rank(self) -> int:
        """The broker's rank that it belongs to, or -1."""
        ...

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def properties(self) -> Mapping[str, str] | None: ...  # noqa: D102
    @property
    def path(self) -> str:
        """Its place in the containment tree: ``/cluster0/rack1/node3``."""
        ...


class StateView(Protocol):
    """What equal subtrees have in common."""

    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def properties(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def idle(self) -> bool:
        """Whether nothing in it is in use."""
        ...

    def free(self, type: str) -> int:
        """Return how many units of a type are free in it, itself included."""
        ...

    def total(self, type: str) -> int:
        """Return how many units of a type it has, itself included."""
        ...


@runtime_checkable
class OrderPolicy(Protocol):
    """Takes what comes first in an order that the graph fixes: the cheapest way to be asked."""

    def order(self, vertex: VertexView) -> Any:
        """Return the sort key of a vertex among its siblings; the smallest is taken first."""
        ...


@runtime_checkable
class StatePolicy(Protocol):
    """Prefers by what is left: fullest first, emptiest first, best fit."""

    def prefer(self, state: StateView) -> Any:
        """Return the sort key of a state; the smallest is taken first, equal ones in the order of ids.

        It is asked about nodes, and in a node about what slots may lie in, as sockets or NUMA domains.
        """
        ...


@runtime_checkable
class ScorePolicy(Protocol):
    """Looks at each candidate: anything goes, and it costs a call per candidate."""

    def score(self, vertex: VertexView, state: StateView) -> Any:
        """Return the sort key of a candidate; the smallest is taken first."""
        ...


@runtime_checkable
class ChoicePolicy(Protocol):
    """Chooses among whole nodes at once, on bit masks; it has an ``order`` besides, and costs a call
    per match.
    """

    def choose(self, mask: int, count: int, groups: Sequence[int]) -> int:
        """Return `count` of the set bits of `mask`. Bit 0 is the best by ``order``.

        `groups` are the masks of what stands together: the nodes of each switch, or else of each rack.
        """
        ...


class Group(Protocol):
    """Vertices that are taken together: one vertex, or those of one slot."""

    score: int


class Scorer(Protocol):
    """How the walk of ``bourn resource-query`` asks the stock policies: by sums of ids over levels.

    A policy of the three kinds above needs none; one that has a method ``scorer`` returning such an object
    is asked by it in ``resource-query``, so that its answers are those of the field's scheduler to the last
    vertex.
    """

    stop_early: bool
    """Whether to stop exploring as soon as there is enough."""

    def enter(self, vertex: VertexView) -> None:
        """Take note of a vertex before what is below it."""
        ...

    def leave(self, vertex: VertexView) -> int:
        """Return the score of a vertex, after what is below it; scores are at least 1."""
        ...

    def reset(self) -> None:
        """Forget the walk."""
        ...

    def sort(self, groups: list[Any]) -> None:
        """Put the best of the children of a requested vertex first."""
        ...

    def sort_slot(self, groups: list[Any]) -> None:
        """Put the best parts of slots first."""
        ...

    def sort_graph(self, groups: list[Any]) -> None:
        """Put the best in the whole graph first."""
        ...


MatchPolicy: TypeAlias = OrderPolicy | StatePolicy | ScorePolicy
"""What `MatchPolicySpec.factory` returns."""


@frozen
class MatchPolicySpec:
    """A kind of match policy."""

    name: str
    """What ``[scheduler] match-policy`` names."""
    factory: Callable[[Mapping[str, Any]], MatchPolicy]
    """Builds one from the options of the table that names it; raise `ConfigError` for a wrong one."""
    node_exclusive: bool = False
    """Whether a job gets whole nodes even if it asks for parts."""
    summary: str = ""


@hookspec
def bourn_match_policies() -> Iterable[MatchPolicySpec]:
    """Register ways to choose among resources that fit.

    Called: once, when the scheduler starts.
    Process: broker, rank 0; the simulator; ``bourn resource-query``.
    Order: picked by name, for the instance and for each queue.
    Errors: an exception leaves this plugin's policies out; if the chosen one is missing the scheduler refuses
    to start and lists those there are. A policy that raises or returns nonsense is logged once and not asked
    again; matching goes on by ids. With ``[scheduler] policy-fault = "refuse"`` the job is refused instead.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.match_policy import MatchPolicySpec


        class Pack:
            '''Fullest first, so that whole nodes stay free for the jobs that need them.'''

            def prefer(self, state):
                return state.free("core")


        @hookimpl
        def bourn_match_policies():
            yield MatchPolicySpec("my-pack", lambda options: Pack())
    """
    raise NotImplementedError
