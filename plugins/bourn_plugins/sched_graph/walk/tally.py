"""What a walk has found below a vertex: groups of vertices by type, and how many of each are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn_plugins.sched_graph.resources.graph import Vertex
    from bourn_plugins.sched_graph.walk.ledger import Draw
    from bourn_plugins.sched_graph.walk.supply import Budget


class Group:
    """Vertices that are taken together or not at all: one vertex, or those of one slot."""

    __slots__ = ("count", "draws", "edges", "label", "root", "score")

    def __init__(
        self,
        score: int,
        count: int,
        edges: list[tuple[Vertex, Vertex, int, bool]],
        root: bool = False,
        draws: tuple[Draw, ...] = (),
    ) -> None:
        self.score = score
        self.count = count
        self.edges = edges
        """(parent, vertex, units, exclusive)."""
        self.root = root
        self.draws = draws
        """What it needs of suppliers."""
        self.label = ""


class Tally:
    """The groups of one type that were found; the first `chosen` are taken once `choose` has been called."""

    __slots__ = ("chosen", "groups", "qualified", "total", "wanted")

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.qualified = 0
        self.total = 0
        self.wanted = 0
        self.chosen = 0

    def add(self, group: Group) -> None:
        """Add one; it qualifies unless its score is 0."""
        self.total += group.count
        if group.score > 0:
            self.qualified += group.count
        self.groups.append(group)

    def choose(self, wanted: int, sort: Callable[[list[Group]], None]) -> bool:
        """Sort, and take from the front until the counts reach `wanted`."""
        if not 0 < wanted <= self.qualified:
            return False
        sort(self.groups)
        left, i = wanted, 0
        while left > 0:
            left -= self.groups[i].count
            i += 1
        self.wanted, self.chosen = wanted, i
        return True

    def ration(self, budget: Budget, sort: Callable[[list[Group]], None]) -> None:
        """Drop, in the order of choice, the groups for which the suppliers don't have enough."""
        if not any(group.draws for group in self.groups):
            return
        sort(self.groups)
        trial = budget.copy()
        kept: list[Group] = []
        for group in self.groups:
            if trial.fits(group.draws):
                trial.take(group.draws)
                kept.append(group)
        self.groups = kept
        self.qualified = sum(group.count for group in kept if group.score > 0)

    def taken(self) -> list[Group]:
        """Return the groups that were chosen."""
        return self.groups[: self.chosen]


class Found:
    """What a subtree offers its parent."""

    __slots__ = ("avail", "constrained", "draws", "score", "tallies")

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}
        self.constrained = False
        self.score = -1
        self.avail = 0
        self.draws: tuple[Draw, ...] = ()

    def add(self, parent: Vertex, kid: Vertex, exclusive: bool) -> None:
        """Add a vertex that was just looked at, with what the look has left here."""
        group = Group(self.score, self.avail, [(parent, kid, self.avail, exclusive)], draws=self.draws)
        self.of(kid.type).add(group)

    def of(self, type: str) -> Tally:
        """Return the tally of a type, a new one if there is none yet."""
        tally = self.tallies.get(type)
        if tally is None:
            tally = self.tallies[type] = Tally()
        return tally

    def qualified(self, type: str) -> int:
        """Return how many units of a type qualify."""
        tally = self.tallies.get(type)
        return 0 if tally is None else tally.qualified

    def choose(self, type: str, wanted: int, sort: Callable[[list[Group]], None]) -> None:
        """Choose so many of a type; what a chosen type's vertices contain is chosen with them."""
        if self.of(type).choose(wanted, sort):
            self.constrained = True

    def merge(self, other: Found) -> None:
        """Take over what a vertex that nobody asked for offers."""
        for type, tally in other.tallies.items():
            mine = self.of(type)
            mine.qualified += tally.qualified
            mine.total += tally.total
            mine.groups.extend(tally.groups)


class Share:
    """How many whole shares of a need have been found: a group is never split between two."""

    __slots__ = ("partial", "seen", "shares", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.shares = 0
        self.partial = 0
        self.seen = 0

    def add(self, units: int) -> None:
        """Count what one more group has."""
        self.seen += units
        self.partial += units
        if self.partial >= self.size:
            self.shares += 1
            self.partial = 0


def whole_shares(groups: Sequence[Group], size: int) -> int:
    """Return how many times the units of `groups`, in order, make up `size`."""
    if size == 0:
        return 0
    share = Share(size)
    for group in groups:
        share.add(group.edges[0][2])
    return share.shares
