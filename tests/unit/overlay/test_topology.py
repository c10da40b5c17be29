from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.broker.overlay.topology import Topology, binomial, custom, kary, parse_topology
from bourn.errors import ConfigError


@st.composite
def trees(draw: st.DrawFn, most: int = 40) -> Topology:
    """A tree of any shape: the parent of each rank is one before it."""
    size = draw(st.integers(1, most))
    return custom([draw(st.integers(0, rank - 1)) for rank in range(1, size)], size)


@given(trees())
def test_parents_and_children_agree(tree: Topology) -> None:
    for rank in range(tree.size):
        assert all(tree.parent(child) == rank for child in tree.children[rank])
        assert rank == 0 or rank in tree.children[tree.parents[rank]]
    assert sorted(tree.subtree(0)) == list(range(tree.size))
    assert tree.depth() == max(tree.level(rank) for rank in range(tree.size))


@given(trees(), st.data())
def test_ancestors_and_subtrees_are_two_views_of_one_thing(tree: Topology, data: st.DataObject) -> None:
    one, other = data.draw(st.integers(0, tree.size - 1)), data.draw(st.integers(0, tree.size - 1))
    assert (one in tree.ancestors(other)) == (other in set(tree.subtree(one)) - {one})


def test_shapes() -> None:
    assert kary(8, 2).parents == (-1, 0, 0, 1, 1, 2, 2, 3)
    assert kary(4, 0).parents == (-1, 0, 0, 0)
    assert binomial(8).parents == (-1, 0, 0, 2, 0, 4, 4, 6)
    assert parse_topology("custom:0,1,1", 4).parents == (-1, 0, 1, 1)
    assert parse_topology("custom:3,0,2", 4).children == ((2,), (), (3,), (1,))
    assert parse_topology("kary:16", 1).depth() == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("karry:2", "did you mean 'kary'"),
        ("kary:-1", "must be kary:K"),
        ("kary:x", "must be kary:K"),
        ("binomial:2", "must be kary:K"),
        ("custom:0,0", "of 4 ranks names 3 parents, not 2"),
        ("custom:0,0,9", "rank 3 can't be rank 9"),
        ("custom:2,1,0", "its own ancestor"),
    ],
)
def test_a_wrong_topology_is_an_error_that_says_what_would_be_right(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_topology(text, 4)
