"""What brokers learn of machines, along any tree, with links lost and made anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bourn.broker.overlay.census import ONLINE, Census, Report
from bourn.broker.overlay.machines import Machine, Machines, from_payload, to_payload
from bourn.broker.overlay.topology import Topology, custom
from bourn.broker.overlay.wire import control
from bourn.errors import BournError

HOSTS = st.sampled_from(["a", "a1", "a2", "a10", "b-01"])
MACHINES = st.one_of(
    st.builds(Machine, HOSTS, st.integers(0, 15), st.integers(0, 3), st.just("")),
    st.builds(Machine, HOSTS, st.just(0), st.just(0), st.sampled_from(["no /sys", "no reader"])),
)


@given(st.dictionaries(st.integers(0, 5000), MACHINES, max_size=20))
def test_entries_say_what_they_were_made_of(machines: dict[int, Machine]) -> None:
    assert dict(from_payload(to_payload(machines))) == machines


def test_alike_machines_make_one_entry_in_the_order_of_their_ranks() -> None:
    machines = {rank: Machine(f"n{rank}", 0b1111) for rank in (9, 3, 4)}
    assert to_payload({**machines, 5: Machine("g1", 0b1111, 0b11), 6: Machine("bad", error="no /sys")}) == [
        {"rank": "3-4,9", "hosts": "n[3-4,9]", "children": {"core": "0-3"}},
        {"rank": "5", "hosts": "g1", "children": {"core": "0-3", "gpu": "0-1"}},
        {"rank": "6", "hosts": "bad", "error": "no /sys"},
    ]
    here = {rank: Machine("here", 3) for rank in range(4096)}
    assert to_payload(here) == [{"rank": "0-4095", "hosts": "here", "children": {"core": "0-1"}}]


def test_many_alike_hosts_are_told_in_few_bytes() -> None:
    machines = Machines()
    machines.take((rank, Machine(f"node{rank}", (1 << 128) - 1, 0xFF)) for rank in range(4096))
    assert len(control("machines", machines.news((1 << 4096) - 1))) < 200


@pytest.mark.parametrize(
    "payload",
    [
        7,
        [7],
        ["x"],
        [{"rank": "0"}],
        [{"rank": "x", "hosts": "a"}],
        [{"rank": "0-2", "hosts": "a,b"}],
        [{"rank": "0", "hosts": "a,b"}],
        [{"rank": "0", "hosts": "a", "children": {"core": "3-1"}}],
        [{"rank": "0", "hosts": "a", "children": 4}],
        [{"rank": "0", "hosts": "a[", "children": {}}],
    ],
)
def test_what_is_no_machines_is_refused(payload: Any) -> None:
    with pytest.raises((ValueError, BournError)):
        list(from_payload(payload))


def test_nothing_is_known_or_told_of_ranks_that_have_left() -> None:
    machines = Machines()
    machines.take((rank, Machine(f"n{rank}", 1)) for rank in range(3))
    machines.forget(0b100)
    assert [entry["rank"] for entry in machines.payload()] == ["0-1"]
    assert [entry["rank"] for entry in machines.news(0b111)] == ["0-1"]
    assert machines.changes == 4


def test_what_was_told_once_is_no_news() -> None:
    machines = Machines()
    machines.note(1, Machine("a", 1))
    assert [entry["rank"] for entry in machines.news(0b10)] == ["1"]
    machines.note(1, Machine("a", 1))
    assert machines.news(0b10) == []
    machines.note(1, Machine("a", 3))
    assert [entry["children"] for entry in machines.news(0b10)] == [{"core": "0-1"}]
    assert [entry["rank"] for entry in machines.all(0b10)] == ["1"]
    assert machines.changes == 2


class Instance:
    """Censuses and machines of all brokers; what one tells its parent travels when it is told to."""

    def __init__(self, tree: Topology) -> None:
        self.tree = tree
        self.up: dict[int, int | None] = {}
        self.censuses: dict[int, Census] = {}
        self.machines: dict[int, Machines] = {}
        self.real: dict[int, Machine] = {}
        self.start(0, Machine("root"))

    def start(self, rank: int, machine: Machine) -> None:
        self.censuses[rank], self.machines[rank] = Census(rank), Machines()
        self.real[rank] = machine
        self.machines[rank].note(rank, machine)
        self.link(rank)

    def link(self, rank: int) -> None:
        """Say hello to the nearest ancestor that lives."""
        above = next((up for up in self.tree.ancestors(rank) if up in self.machines), None)
        self.up[rank] = above
        if above is not None:
            census = self.censuses[rank]
            self.machines[above].take(list(from_payload(self.machines[rank].all(census.linked))))
            self.censuses[above].take(rank, Report.from_payload(census.payload()))

    def tell(self, rank: int) -> None:
        """Do what a broker does at the end of a turn in which something has changed."""
        above = self.up.get(rank)
        if above is not None:
            census = self.censuses[rank]
            self.machines[above].take(list(from_payload(self.machines[rank].news(census.linked))))
            self.censuses[above].take(rank, Report.from_payload(census.payload()))

    def cut(self, rank: int) -> None:
        above = self.up[rank]
        assert above is not None
        self.censuses[above].drop(rank, left=False)
        self.up[rank] = None

    def die(self, rank: int) -> None:
        if self.up[rank] is not None:
            self.cut(rank)
        del self.machines[rank], self.censuses[rank], self.up[rank], self.real[rank]
        for other, above in self.up.items():
            if above == rank:
                self.up[other] = None

    def check(self) -> None:
        """Whoever is online at rank 0 has a machine there, and nobody has one that it never had."""
        root = self.machines[0].known
        online = self.censuses[0].group(ONLINE)
        assert all(rank in root for rank in self.real if online >> rank & 1)


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    size = draw(st.integers(2, 12))
    return Instance(custom([draw(st.integers(0, rank - 1)) for rank in range(1, size)], size))


@settings(max_examples=300, deadline=None)
@given(instances(), st.data())
def test_rank_0_knows_whoever_is_online_and_all_in_the_end(instance: Instance, data: st.DataObject) -> None:
    size = instance.tree.size
    for _ in range(data.draw(st.integers(0, 40))):
        rank = data.draw(st.integers(1, size - 1))
        live = rank in instance.machines
        match data.draw(st.sampled_from(["start", "online", "tell", "cut", "die"])):
            case "start" if not live:
                instance.start(rank, data.draw(MACHINES))
            case "online" if live:
                instance.censuses[rank].join(ONLINE)
            case "tell":
                instance.tell(rank)
            case "cut" if live:
                if instance.up[rank] is None:
                    instance.link(rank)
                else:
                    instance.cut(rank)
            case "die" if live:
                instance.die(rank)
        instance.check()
    for rank in sorted(instance.machines):
        if instance.up[rank] is None:
            instance.link(rank)
    for rank in sorted(instance.machines, key=instance.tree.level, reverse=True) * 2:
        instance.tell(rank)
    known = instance.machines[0].known
    assert {rank: known.get(rank) for rank in instance.real} == instance.real
