"""What is made of machines, against what was known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.broker.overlay.machines import Machine
from bourn.errors import BournError
from bourn.model.event import Event
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet
from bourn_plugins.resource.discovery import faults, remembered, replaced, surplus, to_define

KNOWN = ResourceSet.from_nodes([(rank, f"n{rank}", "0-3", "0" if rank == 2 else "") for rank in range(3)])


def rset(*nodes: tuple[int, str, str]) -> ResourceSet:
    return ResourceSet.from_nodes((rank, host, cores, "") for rank, host, cores in nodes)


def define(R: ResourceSet | None) -> Event:
    context: dict[str, Any] = {"method": "dynamic-discovery"}
    return Event(1.0, "resource-define", context if R is None else {**context, "R": R.to_dict()})


def test_the_last_definition_of_a_rank_counts_and_ranks_that_are_no_more_are_forgotten() -> None:
    events = [
        define(rset((0, "a", "0-1"), (1, "b", "0-1"), (7, "h", "0"))),
        define(None),
        Event(2.0, "drain", {"idset": "1"}),
        define(rset((1, "b", "0-7"))),
    ]
    assert remembered(events, range(2)) == rset((0, "a", "0-1"), (1, "b", "0-7"))
    assert remembered([], range(2)) == ResourceSet()
    with pytest.raises(BournError):
        remembered([Event(1.0, "resource-define", {"R": {"version": 3}})], range(2))


BATCHES = st.lists(
    st.tuples(
        st.dictionaries(
            st.integers(0, 5),
            st.builds(Machine, st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 1), st.just("")),
            max_size=4,
        ),
        st.booleans(),
    ),
    max_size=8,
)


@given(BATCHES)
def test_the_eventlog_remembers_what_was_known(batches: list[tuple[dict[int, Machine], bool]]) -> None:
    known, log = ResourceSet(), []
    for machines, anew in batches:
        new = to_define(known, machines, machines if anew else ())
        known = replaced(known, new)
        log.append(define(new if new else None))
        assert set(machines) <= set(known.ranks)
        assert not anew or not (faults(known, machines) or surplus(known, machines))
    assert remembered(log, range(6)) == known


def test_unknown_ranks_are_defined_and_known_ones_only_anew() -> None:
    machines = {1: Machine("n1", 0b11), 5: Machine("n5", 0b1)}
    assert to_define(KNOWN, machines) == rset((5, "n5", "0"))
    assert to_define(KNOWN, machines, anew=machines) == rset((1, "n1", "0-1"), (5, "n5", "0"))
    assert to_define(KNOWN, {0: Machine("n0", 0b1111)}, anew=[0]) == ResourceSet()


def test_a_rank_of_which_nothing_was_known_has_no_cores_until_something_is() -> None:
    broken = {3: Machine("n3", error="no /sys")}
    nothing = to_define(KNOWN, broken)
    assert (nothing.ranks, nothing.ncores, nothing.hostname(3)) == (IdSet("3"), 0, "n3")
    now = replaced(KNOWN, nothing)
    assert not to_define(now, broken, anew=broken)
    assert faults(now, broken) == {"its machine can't be looked at: no /sys": IdSet("3")}
    assert to_define(now, {3: Machine("n3", 0b1)}) == rset((3, "n3", "0"))
    assert not to_define(KNOWN, {2: Machine("n2", error="no /sys")}, anew=[2]), "what is known stays"


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (Machine("n2", 0b1111, 0b1), None),
        (Machine("n2.example.org", 0b1111, 0b1), None),
        (Machine("n2", 0b111111, 0b11), None),
        (Machine("n2", 0b0011, 0b1), "missing resources: cores 2-3"),
        (Machine("n2", 0b1111), "missing resources: gpus 0"),
        (Machine("n2", 0b0111), "missing resources: cores 3, gpus 0"),
        (Machine("other", 0b1111, 0b1), "host other is here in place of n2"),
    ],
)
def test_what_is_missing_is_named(machine: Machine, reason: str | None) -> None:
    assert faults(KNOWN, {2: machine}) == ({} if reason is None else {reason: IdSet("2")})


def test_ranks_with_the_same_fault_are_told_together_and_unknown_ones_not_at_all() -> None:
    short = {rank: Machine(f"n{rank}", 0b1, 0b1) for rank in (0, 1, 2, 9)}
    assert faults(KNOWN, short) == {"missing resources: cores 1-3": IdSet("0-2")}


def test_names_with_domains_are_compared_whole() -> None:
    known = rset((0, "n0.a.org", "0"))
    assert faults(known, {0: Machine("n0.b.org", 1)}) == {
        "host n0.b.org is here in place of n0.a.org": IdSet("0")
    }
    assert faults(known, {0: Machine("n0", 1)}) == {}


def test_what_there_is_more_is_named() -> None:
    machines = {0: Machine("n0", 0b111111), 1: Machine("n1", 0b1111), 2: Machine("n2", 0b1, 0b11)}
    assert surplus(KNOWN, {**machines, 9: Machine("n9", 1)}) == {0: "cores 4-5", 2: "gpus 1"}
