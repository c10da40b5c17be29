"""Routers and censuses of a whole instance, linked by a pretended network that loses and restarts brokers."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from bourn.broker.members import Members
from bourn.broker.overlay.census import ONLINE, Census, Report
from bourn.broker.overlay.health import ASTRAY, DEGRADED, FULL, LOST, OFFLINE, PARTIAL, statuses
from bourn.broker.overlay.topology import Topology, custom
from bourn.broker.router import Router
from bourn.errors import BournError
from bourn.model.idset import mask_ranges


class Instance:
    """All brokers of an instance without their loops: reports travel up at once, or when told to."""

    def __init__(self, tree: Topology) -> None:
        self.tree = tree
        self.routers: dict[int, Router] = {}
        self.censuses: dict[int, Census] = {}
        for rank in range(tree.size):
            self.start(rank)

    def start(self, rank: int) -> None:
        """Start a broker; the nearest live ancestor takes it in."""
        self.routers[rank] = Router(rank, Members(self.tree))
        self.censuses[rank] = Census(rank)
        self.censuses[rank].join(ONLINE)
        self.link(rank)

    def link(self, rank: int) -> None:
        above = next((up for up in self.tree.ancestors(rank) if up in self.routers), None)
        self.routers[rank].uplink = above
        self.report(rank)

    def report(self, rank: int) -> None:
        """Send a report up, and have it go on to rank 0."""
        above = self.routers[rank].uplink
        if above is not None:
            report = Report.from_payload(self.censuses[rank].payload())
            self.censuses[above].take(rank, report)
            ranks = frozenset(r for low, high in mask_ranges(report.linked) for r in range(low, high + 1))
            self.routers[above].learn(rank, ranks)
            self.report(above)

    def lose(self, rank: int) -> None:
        """A broker dies; those below it find another parent."""
        behind = self.die(rank)
        for other in behind:
            self.link(other)

    def die(self, rank: int, *, left: bool = False, until: float = inf) -> list[int]:
        """A broker dies; return those that have lost their parent."""
        gone = self.routers.pop(rank)
        del self.censuses[rank]
        above = gone.uplink
        assert above is not None
        self.routers[above].forget(rank)
        self.censuses[above].drop(rank, left=left, until=until)
        self.report(above)
        return [other for other in sorted(self.routers) if self.routers[other].uplink == rank]

    def path(self, start: int, end: int) -> list[int]:
        """Follow a request; raises BournError where a broker finds no way on."""
        path = [start]
        while path[-1] != end:
            here = self.routers[path[-1]]
            above = len(path) > 1 and path[-2] == here.uplink
            path.append(here.next_hop(end, has_service=False, from_above=above))
            assert len(path) <= 2 * self.tree.size, "a loop"
        return path


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    size = draw(st.integers(2, 30))
    return Instance(custom([draw(st.integers(0, rank - 1)) for rank in range(1, size)], size))


@settings(max_examples=1000, deadline=None)
@given(instances(), st.data())
def test_all_that_live_reach_one_another_after_any_losses_and_restarts(
    instance: Instance, data: st.DataObject
) -> None:
    size = instance.tree.size
    for _ in range(data.draw(st.integers(0, 8))):
        rank = data.draw(st.integers(1, size - 1))
        if rank in instance.routers:
            instance.lose(rank)
        else:
            instance.start(rank)
    live = sorted(instance.routers)
    mask = sum(1 << rank for rank in live)
    root = instance.censuses[0]
    assert (root.linked, root.group(ONLINE)) == (mask, mask)
    assert root.lost == ((1 << size) - 1) & ~mask
    assert root.astray == root.group("broker.astray") == 0
    start, end = data.draw(st.sampled_from(live)), data.draw(st.integers(0, size - 1))
    if end in live:
        path = instance.path(start, end)
        assert len(path) == len(set(path)), "a detour"
    else:
        try:
            instance.path(start, end)
        except BournError as error:
            assert "can't be reached" in error.message  # noqa: PT017
        else:
            raise AssertionError("a lost rank was reached")


@given(instances(), st.data())
def test_states_follow_from_who_is_missing(instance: Instance, data: st.DataObject) -> None:
    tree = instance.tree
    gone = data.draw(st.sets(st.integers(1, tree.size - 1)))
    lost = data.draw(st.sets(st.sampled_from(sorted(gone)))) if gone else set()
    online = sum(1 << rank for rank in range(tree.size) if rank not in gone)
    found = statuses(tree, online, sum(1 << rank for rank in lost))
    for rank in range(tree.size):
        below = set(tree.subtree(rank)) - {rank}
        if rank in gone:
            assert found[rank] == (LOST if rank in lost else OFFLINE)
        elif not below & gone:
            assert found[rank] == FULL
        else:
            assert found[rank] in (DEGRADED, PARTIAL)
            if not below & lost:
                assert found[rank] == PARTIAL


def test_one_that_said_goodbye_is_not_lost_and_is_forgotten_when_back() -> None:
    root = Census(0)
    root.take(1, Report.from_payload({"linked": "1-2", "left": "", "groups": {ONLINE: "1-2"}}))
    root.drop(1, left=True)
    assert (root.lost, root.linked, root.group(ONLINE)) == (0, 1, 0)
    root.take(2, Report.from_payload({"linked": "2", "left": "", "groups": {}}))
    root.drop(2, left=False)
    assert root.lost == 0b100
    root.set_torpid(3, True)
    assert root.payload()["groups"] == {"broker.torpid": "3"}


@given(instances(), st.data())
def test_those_behind_a_lost_rank_are_astray_until_they_are_linked_or_given_up(
    instance: Instance, data: st.DataObject
) -> None:
    tree, root = instance.tree, instance.censuses[0]
    rank = data.draw(st.integers(1, tree.size - 1))
    left = data.draw(st.booleans())
    behind = sum(1 << other for other in tree.subtree(rank)) & ~(1 << rank)
    above = instance.routers[rank].uplink
    assert above is not None
    children = instance.die(rank, left=left, until=10.0)
    assert (root.astray, root.lost) == (behind, 0 if left else 1 << rank)
    found = statuses(tree, root.group(ONLINE), root.lost, root.astray)
    assert all(found[other] == ASTRAY for other in tree.subtree(rank) if other != rank)
    assert found[rank] == (OFFLINE if left else LOST)
    back = data.draw(st.sets(st.sampled_from(children))) if children else set()
    for child in back:
        instance.link(child)
        behind &= ~sum(1 << other for other in tree.subtree(child))
    assert root.astray == behind
    assert not instance.censuses[above].expire(9.9)
    assert instance.censuses[above].expire(10.0) == bool(behind)
    instance.report(above)
    assert (root.astray, root.lost) == (0, behind if left else behind | 1 << rank)


def test_who_was_astray_stays_so_when_the_broker_that_said_it_is_lost_too() -> None:
    instance = Instance(custom([0, 1, 2], 4))
    instance.die(2)
    assert instance.censuses[0].astray == 1 << 3
    instance.die(1)
    assert instance.censuses[0].astray == 1 << 3
    assert instance.censuses[0].lost == 1 << 1 | 1 << 2
    instance.link(3)
    assert instance.censuses[0].astray == 0
