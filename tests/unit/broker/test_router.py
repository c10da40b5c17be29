from __future__ import annotations

import errno

import pytest

from bourn.broker.members import Members
from bourn.broker.message import NODE_ANY, NODE_UPSTREAM
from bourn.broker.router import Router
from bourn.errors import BournError


def router(rank: int, size: int, uplink: int | None = None, **below: list[int]) -> Router:
    made = Router(rank, Members.flat(size))
    made.uplink = uplink
    for child, ranks in below.items():
        made.learn(int(child[1:]), frozenset(ranks))
    return made


def test_any_node_is_the_nearest_upstream_with_the_service() -> None:
    assert router(5, 8, 2).next_hop(NODE_ANY, has_service=True) == 5
    assert router(5, 8, 2).next_hop(NODE_ANY, has_service=False) == 2
    assert router(0, 8).next_hop(NODE_ANY, has_service=False) == 0


def test_upstream_leaves_this_rank_out() -> None:
    assert router(5, 8, 2).next_hop(NODE_UPSTREAM, has_service=True) == 2
    with pytest.raises(BournError, match="rank 0 has no broker upstream") as caught:
        router(0, 8).next_hop(NODE_UPSTREAM, has_service=True)
    assert caught.value.errnum == errno.EHOSTUNREACH


@pytest.mark.parametrize(("size", "text"), [(1, "rank 0 only"), (4, "ranks 0-3")])
@pytest.mark.parametrize("nodeid", [4, 99, -3])
def test_a_rank_that_is_not_there_is_an_error_that_says_which_are(size: int, text: str, nodeid: int) -> None:
    with pytest.raises(BournError, match=text):
        router(0, size).next_hop(nodeid, has_service=True)


def test_down_through_the_child_that_said_so_and_up_otherwise() -> None:
    one = router(1, 8, 0, _3=[3, 7], _4=[4])
    assert [one.next_hop(n, has_service=False) for n in (1, 3, 7, 4, 2, 0)] == [1, 3, 3, 4, 0, 0]


def test_what_came_from_above_never_goes_up_again() -> None:
    one = router(1, 8, 0, _3=[3])
    with pytest.raises(BournError, match="rank 7 can't be reached"):
        one.next_hop(7, has_service=False, from_above=True)


def test_without_a_parent_there_is_no_way_up() -> None:
    with pytest.raises(BournError, match="rank 1 has no link to a parent"):
        router(1, 8).next_hop(2, has_service=True)


def test_the_last_word_about_a_rank_counts() -> None:
    root = router(0, 8, None, _1=[1, 3], _2=[2])
    root.learn(3, frozenset([3]))  # taken in by rank 0 before rank 1 noticed
    root.learn(1, frozenset([1]))
    assert root.next_hop(3, has_service=False) == 3
    root.forget(3)
    with pytest.raises(BournError, match="offline or lost"):
        root.next_hop(3, has_service=False)
