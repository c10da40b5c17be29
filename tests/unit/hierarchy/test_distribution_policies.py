"""The stock policies, by the check that third parties use and against the real distributor."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import ConfigError
from bourn.testing import alloc_request, check_distribution_policy
from bourn.testing.policies import FakeChild
from bourn_plugins.hierarchy.child import Child, ChildState
from bourn_plugins.hierarchy.distributor import Distributor
from bourn_plugins.hierarchy.fit import Capacity, Needs
from bourn_plugins.hierarchy.shape import Part
from bourn_policies.distribution import hash, least_loaded, round_robin, two_choices

SPECS = [
    spec
    for module in (hash, least_loaded, round_robin, two_choices)
    for spec in module.bourn_distribution_policies()
]


def make(name, **options):
    return next(spec for spec in SPECS if spec.name == name).factory(options)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_conformance(spec):
    check_distribution_policy(spec)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@given(data=st.data())
def test_no_job_goes_where_it_does_not_fit(spec, data):
    sizes = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    children = [Child(i, Part(1, n, 0, False, ""), Capacity(((n, 0),), False)) for i, n in enumerate(sizes)]
    for child in children:
        child.enter(data.draw(st.sampled_from((ChildState.UP, ChildState.UP, ChildState.AWAY))), 0.0)
    distributor = Distributor(children, spec.factory({}), data.draw(st.integers(0, 4)))
    for id, cores in enumerate(data.draw(st.lists(st.integers(1, 9), max_size=30))):
        distributor.add(alloc_request(id), Needs(0, 1, cores, 0, False, cores))
    for child, entries in distributor.assign(0.0).items():
        assert child.state is ChildState.UP
        assert all(entry.needs.cores <= child.ncores for entry in entries)
        assert child.pending <= distributor.backlog + 2 * child.ncores


def test_round_robin_takes_turns_whoever_is_there():
    policy = make("round-robin")
    four = [FakeChild(i) for i in range(4)]
    assert [policy.choose(alloc_request(i), four) for i in range(5)] == [0, 1, 2, 3, 0]
    assert policy.choose(alloc_request(5), [four[0], four[3]]) == 1


def test_least_loaded_compares_shares():
    children = [FakeChild(0, ncores=2, cores_busy=1), FakeChild(1, ncores=8, cores_busy=3)]
    assert make("least-loaded").choose(alloc_request(1), children) == 1


def test_hash_keeps_the_places_of_most_jobs_when_a_child_goes():
    policy = make("hash")
    five = [FakeChild(i) for i in range(5)]
    before = [policy.choose(alloc_request(id), five) for id in range(1000)]
    assert max(Counter(before).values()) < 300
    four = five[:2] + five[3:]
    after = [four[policy.choose(alloc_request(id), four)].index for id in range(1000)]
    assert all(a == b for a, b in zip(after, before, strict=True) if b != 2)


def test_hash_by_an_attribute():
    policy = make("hash", key="system.job.name")
    children = [FakeChild(i) for i in range(5)]
    assert len({policy.choose(alloc_request(id), children) for id in range(50)}) == 1
    named = alloc_request(1)
    named.overrides = {"attributes.system.job.name": "other"}
    other = [policy.choose(named, children) for _ in range(3)]
    assert len(set(other)) == 1
    with pytest.raises(ConfigError, match="no option 'kee'; did you mean 'key'"):
        make("hash", kee="x")


def test_two_choices_is_nearly_even():
    policy = make("two-choices")
    load = [0] * 8
    for id in range(8000):
        load[policy.choose(alloc_request(id), [FakeChild(i, cores_busy=n) for i, n in enumerate(load)])] += 1
    assert max(load) - min(load) < 20
