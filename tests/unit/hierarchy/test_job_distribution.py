"""Which job goes to which child: fit, order, room, and what happens when children come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bourn.model.counts import jobspec_counts
from bourn.testing import alloc_request
from bourn.testing.samples import jobspec
from bourn_plugins.hierarchy.child import Child, ChildState
from bourn_plugins.hierarchy.distributor import Distributor
from bourn_plugins.hierarchy.fit import Capacity, Needs, needs_of
from bourn_plugins.hierarchy.shape import Part

ONE_CORE = Needs(0, 1, 1, 0, False, 1)


class First:
    def choose(self, job, children):
        return 0


class Turns:
    def __init__(self):
        self.next = 0

    def choose(self, job, children):
        self.next += 1
        return self.next % len(children)


def children(*cores, up=True):
    made = [Child(i, Part(1, c, 0, False, ""), Capacity(((c, 0),), False)) for i, c in enumerate(cores)]
    for child in made if up else ():
        child.enter(ChildState.UP, 0.0)
    return made


def ids(given):
    return {child.index: [entry.request.id for entry in entries] for child, entries in given.items()}


def needs(**shape):
    return needs_of(jobspec_counts(jobspec(**shape)))


def test_needs_against_capacities():
    one_node = Capacity(((4, 1),), False)
    two_nodes = Capacity(((4, 1), (4, 0)), True)
    for shape, fits_one, fits_two in (
        ({}, True, True),
        ({"num_tasks": 4}, True, True),
        ({"num_tasks": 5}, False, True),
        ({"cores_per_task": 5}, False, False),
        ({"num_tasks": 2, "cores_per_task": 3}, False, True),
        ({"gpus_per_task": 1}, True, True),
        ({"num_tasks": 2, "gpus_per_task": 1}, False, False),
        ({"num_nodes": 2, "num_tasks": 2}, False, True),
        ({"num_nodes": 2, "num_tasks": 2, "gpus_per_task": 1}, False, False),
        ({"num_nodes": 1, "exclusive": True}, False, True),
    ):
        assert (needs(**shape).fit(one_node), needs(**shape).fit(two_nodes)) == (fits_one, fits_two), shape


def test_whole_nodes_in_slots():
    spec = jobspec()
    spec["resources"] = [
        {"type": "slot", "count": 2, "label": "task", "with": [{"type": "node", "count": 1}]}
    ]
    wanted = needs_of(jobspec_counts(spec))
    assert not wanted.fit(Capacity(((4, 0),), True))
    assert wanted.fit(Capacity(((4, 0), (4, 0)), True))
    assert not wanted.fit(Capacity(((4, 0), (4, 0)), False))


def test_priority_goes_first_then_age():
    distributor = Distributor(children(1), First(), backlog=1)
    for id, priority in ((1, 16), (2, 31), (3, 16), (4, 20)):
        request = alloc_request(id)
        request.priority = priority
        distributor.add(request, ONE_CORE)
    assert ids(distributor.assign(0.0)) == {0: [2, 4, 1]}  # its backlog and twice its core
    distributor.prioritize(3, 99)
    distributor.add(alloc_request(5), ONE_CORE)
    distributor.remove(distributor.entries[2], 0.0)
    assert ids(distributor.assign(0.0)) == {0: [3]}


def test_a_big_job_waits_without_holding_up_small_ones():
    small, big = children(1, 4)
    distributor = Distributor([small, big], First(), backlog=0)
    big.enter(ChildState.AWAY, 0.0)
    distributor.add(alloc_request(1), Needs(0, 4, 1, 0, False, 4))
    distributor.add(alloc_request(2), ONE_CORE)
    assert ids(distributor.assign(0.0)) == {0: [2]}
    assert distributor.waiting == 1
    big.enter(ChildState.UP, 0.0)
    assert ids(distributor.assign(0.0)) == {1: [1]}


def test_a_child_that_denied_a_job_is_not_asked_again():
    distributor = Distributor(children(2, 2), First(), backlog=8)
    entry = distributor.add(alloc_request(1), ONE_CORE)
    assert ids(distributor.assign(0.0)) == {0: [1]}
    entry.denied |= {0}
    assert distributor.fits(entry.needs, entry.denied)
    distributor.put_back(entry, 0.0)
    assert ids(distributor.assign(0.0)) == {1: [1]}
    assert not distributor.fits(entry.needs, frozenset((0, 1)))


def test_room_grows_with_what_a_child_finishes():
    (child,) = children(2)
    assert child.room(8, now=10.0) == 12
    child.finished(500, 10.2)
    assert child.room(8, now=10.4) == 512
    assert child.room(8, now=11.9) == 512
    assert child.room(8, now=13.0) == 12


def test_a_policy_that_fails_is_reported_and_the_turn_goes_round():
    class Wild:
        def choose(self, job, children):
            if job.id % 2:
                raise ValueError("odd")
            return 7

    told = []
    distributor = Distributor(children(2, 2, 2), Wild(), 8, told.append)
    for id in range(6):
        distributor.add(alloc_request(id), ONE_CORE)
    assert {i: len(found) for i, found in ids(distributor.assign(0.0)).items()} == {0: 2, 1: 2, 2: 2}
    assert told[:2] == ["returned 7; there are 3 children to choose from", "ValueError: odd"]


def test_a_policy_may_keep_jobs_back():
    class Never:
        def choose(self, job, children):
            return None

    distributor = Distributor(children(2), Never(), 8)
    distributor.add(alloc_request(1), ONE_CORE)
    assert distributor.assign(0.0) == {}
    assert distributor.waiting == 1


@given(st.data())
def test_every_job_is_somewhere_and_only_once(data):
    """Whatever happens: a taken job waits, or one child has it; counts agree."""
    level = children(*data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    distributor = Distributor(level, Turns(), backlog=data.draw(st.integers(0, 3)))
    taken, now = {}, 0.0
    for id in range(data.draw(st.integers(1, 40))):
        now += 0.3
        action = data.draw(st.sampled_from(("add", "add", "assign", "start", "end", "lose", "up", "remove")))
        child = data.draw(st.sampled_from(level))
        if action == "add":
            taken[id] = distributor.add(
                alloc_request(id), Needs(0, 1, data.draw(st.integers(1, 4)), 0, False, 1)
            )
        elif action == "assign":
            for where, entries in distributor.assign(now).items():
                assert where.state is ChildState.UP
                assert all(entry.needs.fit(where.capacity) for entry in entries)
        elif action == "start" and child.jobs:
            distributor.started(next(iter(child.jobs.values())))
        elif action == "end" and child.jobs:
            entry = next(iter(child.jobs.values()))
            distributor.remove(entry, now)
            del taken[entry.request.id]
        elif action == "lose":
            child.enter(ChildState.ABSENT, now)
            for entry in list(child.jobs.values()):
                distributor.put_back(entry, now)
        elif action == "up":
            child.enter(ChildState.UP, now)
        elif action == "remove" and taken:
            distributor.remove(taken.pop(min(taken)), now)
        assert distributor.entries == taken
        assert distributor.waiting == sum(entry.queued for entry in taken.values())
        for entry in taken.values():
            assert entry.queued is (entry.child is None)
            assert sum(entry.request.id in other.jobs for other in level) == (entry.child is not None)
        for other in level:
            assert other.running == sum(entry.running for entry in other.jobs.values())
            assert other.cores_busy == sum(entry.needs.ncores for entry in other.jobs.values())
            assert other.pending >= 0
