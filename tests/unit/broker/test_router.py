from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.broker.message import NODE_ANY, NODE_UPSTREAM
from bourn.broker.router import Router, Tree
from bourn.errors import BournError


@given(st.integers(1, 400), st.integers(1, 40))
def test_parent_and_children_agree(size: int, fanout: int) -> None:
    tree = Tree(size, fanout)
    for rank in range(size):
        assert all(tree.parent(child) == rank for child in tree.children(rank))
        assert rank == 0 or rank in tree.children(tree.parent(rank) or 0)


@given(st.data(), st.integers(1, 200), st.integers(1, 8))
def test_every_rank_is_reached_from_every_other_without_a_detour(
    data: st.DataObject, size: int, fanout: int
) -> None:
    start, end = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    tree, path = Tree(size, fanout), [start]
    while path[-1] != end:
        hop = Router(path[-1], size, fanout).next_hop(end, has_service=False)
        assert hop in {tree.parent(path[-1]), *tree.children(path[-1])}
        path.append(hop)
    assert len(path) == len(set(path))


def test_any_node_is_the_nearest_upstream_with_the_service() -> None:
    assert Router(5, 8, 2).next_hop(NODE_ANY, has_service=True) == 5
    assert Router(5, 8, 2).next_hop(NODE_ANY, has_service=False) == 2
    assert Router(0, 8, 2).next_hop(NODE_ANY, has_service=False) == 0


def test_upstream_leaves_this_rank_out() -> None:
    assert Router(5, 8, 2).next_hop(NODE_UPSTREAM, has_service=True) == 2
    with pytest.raises(BournError, match="rank 0 has no broker upstream") as caught:
        Router(0, 8, 2).next_hop(NODE_UPSTREAM, has_service=True)
    assert caught.value.errnum == errno.EHOSTUNREACH


@pytest.mark.parametrize(("size", "text"), [(1, "rank 0 only"), (4, "ranks 0-3")])
@pytest.mark.parametrize("nodeid", [4, 99, -3])
def test_a_rank_that_is_not_there_is_an_error_that_says_which_are(size: int, text: str, nodeid: int) -> None:
    with pytest.raises(BournError, match=text):
        Router(0, size).next_hop(nodeid, has_service=True)
