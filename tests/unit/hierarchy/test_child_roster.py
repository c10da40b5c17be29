"""How many children there are: on load, when idle, after failures, and while a misfit wants room."""

from __future__ import annotations

from bourn.testing import alloc_request
from bourn_plugins.hierarchy.child import Child, ChildState
from bourn_plugins.hierarchy.distributor import Distributor
from bourn_plugins.hierarchy.fit import Capacity, Needs
from bourn_plugins.hierarchy.roster import Decisions, decide, settled
from bourn_plugins.hierarchy.shape import Part
from bourn_plugins.hierarchy.table import HierarchyTable

ONE_CORE = Needs(0, 1, 1, 0, False, 1)


class First:
    def choose(self, job, children):
        return 0


def level(count, *up):
    children = [Child(i, Part(1, 2, 0, False, ""), Capacity(((2, 0),), False)) for i in range(count)]
    for index in up:
        children[index].enter(ChildState.UP, 0.0)
    return Distributor(children, First(), 4)


def indices(children):
    return [child.index for child in children]


def test_all_children_are_raised_at_once_by_default():
    assert indices(decide(level(3), HierarchyTable(), None, 0.0).to_raise) == [0, 1, 2]


def test_children_beyond_the_least_come_with_the_load_and_go_when_idle():
    table = HierarchyTable(min=1, max=3, idle=10.0, backlog=4)
    distributor = level(4)
    assert indices(decide(distributor, table, None, 0.0).to_raise) == [0]
    distributor = level(4, 0)
    assert indices(decide(distributor, table, None, 0.0).to_raise) == []
    for id in range(30):
        distributor.add(alloc_request(id), ONE_CORE)
    distributor.assign(0.0)
    assert indices(decide(distributor, table, None, 0.0).to_raise) == [1, 2]
    distributor = level(4, 0, 1, 2)
    for child in distributor.children:
        child.idle_since = 5.0
    found = decide(distributor, table, None, 14.0)
    assert (indices(found.stop), found.wake) == ([], 15.0)
    assert indices(decide(distributor, table, None, 15.0).stop) == [0, 1]


def test_where_all_is_settled_there_is_nothing_to_decide():
    distributor = level(2, 0, 1)
    assert not settled(distributor)
    for child, id in zip(distributor.children, (1, 2), strict=True):
        child.take(distributor.add(alloc_request(id), ONE_CORE))
    assert settled(distributor)
    for now in (0.0, 1e9):
        assert decide(distributor, HierarchyTable(min=0, idle=1.0), None, now) == Decisions()
    distributor.children[1].enter(ChildState.AWAY, 0.0)
    assert not settled(distributor)


def test_no_child_is_raised_that_the_waiting_jobs_do_not_fit():
    distributor = level(2)
    table = HierarchyTable(min=0)
    distributor.add(alloc_request(1), Needs(0, 1, 3, 0, False, 3))
    assert decide(distributor, table, None, 0.0).to_raise == []


def test_a_child_that_keeps_failing_is_raised_later_each_time():
    distributor = level(1)
    child = distributor.children[0]
    waits = []
    for _ in range(8):
        child.failed(100.0)
        waits.append(decide(distributor, HierarchyTable(), None, 100.0).wake - 100.0)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert indices(decide(distributor, HierarchyTable(), None, 160.0).to_raise) == [0]


def test_a_misfit_makes_idle_children_leave_and_nobody_come():
    distributor = level(3, 0, 1)
    entry = distributor.add(alloc_request(1), ONE_CORE)
    distributor.assign(0.0)
    found = decide(distributor, HierarchyTable(), 10.0, 10.0)
    assert (indices(found.stop), indices(found.to_raise), found.wake) == ([], [], 10.1)
    assert indices(decide(distributor, HierarchyTable(), 10.0, 10.1).stop) == [1]
    distributor.remove(entry, 11.0)
    assert indices(decide(distributor, HierarchyTable(), 10.0, 11.0).stop) == [0, 1]
    assert indices(decide(distributor, HierarchyTable(), None, 12.0).to_raise) == [2]


def test_a_child_that_stays_away_is_ended_by_force():
    distributor = level(2, 0, 1)
    distributor.children[1].enter(ChildState.AWAY, 20.0)
    table = HierarchyTable(rejoin=5.0)
    found = decide(distributor, table, None, 24.0)
    assert (found.kill, found.wake) == ([], 25.0)
    assert indices(decide(distributor, table, None, 25.0).kill) == [1]
