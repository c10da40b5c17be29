"""Who belongs to an instance: a plain object that grows, loses ranks for good, and travels."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.broker.members import Members
from bourn.broker.overlay.topology import kary
from bourn.errors import BournError


def four() -> Members:
    """0(1(3) 2)"""
    return Members(kary(4, 2), "i", ("a", "b", "c", "d"), (7, 2))


def test_a_longer_list_keeps_what_there_is() -> None:
    grown = four().grown(kary(6, 2), ["e", "f"])
    assert (grown.size, grown.next, grown.version, grown.hostlist) == (6, 6, (7, 3), "a,b,c,d,e,f")
    assert 5 in grown
    with pytest.raises(BournError, match="'kary:3': brokers that run would get other parents"):
        four().grown(kary(6, 3), ["e", "f"])


def test_who_leaves_keeps_its_number_and_no_place() -> None:
    left = four().without([3])
    assert (left.size, left.next, left.version, left.ranks, left.hostlist) == (
        3,
        4,
        (7, 3),
        [0, 1, 2],
        "a,b,c",
    )
    assert (bin(left.mask), bin(left.left)) == ("0b111", "0b1000")
    assert list(left.topology.subtree(0)) == [0, 2, 1]
    assert list(left.topology.ancestors(3)) == []
    assert left.objection(3) == "rank 3 has left the instance for good"
    assert left.objection(4) == "no rank 4; the instance has ranks 0-2"
    assert left.without([1]).objection(9) == "no rank 9; the instance has ranks 0,2"
    again = left.grown(left.topology.with_children(0, 1), ["e"])
    assert (again.ranks, again.hostlist) == ([0, 1, 2, 4], "a,b,c,e")
    assert left.grown(kary(6, 2), ["e", "f"]).ranks == [0, 1, 2, 4, 5]
    with pytest.raises(BournError, match="rank 7 would be below rank 3, which has left for good"):
        left.grown(kary(8, 2), "efgh")


@pytest.mark.parametrize(
    ("ranks", "reason"),
    [
        ([0], "rank 0 can't leave"),
        ([1], "rank 1 can't leave: rank 3 is below it"),
        ([4], "no rank 4; the instance has ranks 0-3"),
    ],
)
def test_who_cant_leave(ranks: list[int], reason: str) -> None:
    with pytest.raises(BournError, match=reason):
        four().without(ranks)
    assert four().without([1, 3]).ranks == [0, 2]


@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.booleans(), max_size=12))
def test_what_travels_arrives_as_it_was(above: list[int], leaving: list[bool]) -> None:
    members = Members(kary(1, 0), "x", ("h0",), (1, 0))
    for parent in above:
        tree = members.topology.with_children(parent % members.next, 1)
        if parent % members.next in members:
            members = members.grown(tree, [f"h{members.next}"])
    for rank, leaves in enumerate(leaving):
        if leaves and rank in members and rank and not members.topology.children[rank]:
            members = members.without([rank])
    found = Members.from_payload(json.loads(json.dumps(members.payload())))
    assert found == members
    assert sorted(found.topology.subtree(0)) == found.ranks
    assert found.size == len(found.ranks) == found.mask.bit_count()


@pytest.mark.parametrize(
    "change",
    [
        {"parents": []},
        {"parents": [-1, 4]},
        {"parents": "x"},
        {"hosts": "a"},
        {"hosts": "a[-"},
        {"hosts": None},
        {"version": "x"},
        {"version": [1]},
        {"version": 7},
    ],
)
def test_what_is_no_list_of_members(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, BournError)):
        Members.from_payload({**four().payload(), **change})
    with pytest.raises(ValueError, match="no list of members"):
        Members.from_payload(None)  # type: ignore[arg-type]
