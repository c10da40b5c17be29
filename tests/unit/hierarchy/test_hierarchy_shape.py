"""Shapes as they are written, and how a level divides what there is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import ConfigError
from bourn_plugins.hierarchy.shape import Part, divide, parse_shape


def test_levels_by_number_node_and_core():
    assert divide([(8, 2)], parse_shape("2x4")) == [Part(1, 4, 1, False, "4")] * 2
    assert divide([(4, 0), (2, 1)], parse_shape("nodexcore")) == [
        Part(1, 4, 0, True, "core"),
        Part(1, 2, 1, True, "core"),
    ]
    assert divide([(2, 0), (1, 0)], parse_shape("core")) == [Part(1, 1, 0, False, "")] * 3


def test_as_many_children_as_nodes_or_fewer_get_whole_nodes():
    nodes = [(4, 1), (4, 0), (8, 2)]
    assert divide(nodes, parse_shape("2")) == [Part(2, 4, 0, True, ""), Part(1, 8, 2, True, "")]
    assert [part.cores for part in divide([(4, 0)] * 2, parse_shape("5"))] == [2, 1, 1, 2, 2]


def test_a_list_of_unlike_children():
    parts = divide([(16, 0)], parse_shape("[2x2@3, ., [.,4]]"))
    assert [(part.cores, part.below) for part in parts] == [(10, "2x2"), (3, ""), (3, "[.,4]")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("2x", "ends with 'x'"),
        ("0", "'0' is no level"),
        ("2xsocket", "'socket' is no level"),
        ("[2,3", "a bracket isn't closed"),
        ("[2]x3", "'x3' after the list"),
        ("[2,]", "a child of the list is empty"),
        ("[2@0]", "'@0' is no number of shares"),
        ("[2x,.]", "ends with 'x'"),
    ],
)
def test_bad_shapes_say_what_would_be_right(text, reason):
    with pytest.raises(ConfigError) as caught:
        parse_shape(text)
    assert reason in caught.value.message
    assert "examples: 4, 2x4" in caught.value.message


def test_more_children_than_cores_are_refused():
    with pytest.raises(ConfigError, match="2 cores can't be divided among 3 children"):
        divide([(2, 0)], parse_shape("3"))
    with pytest.raises(ConfigError, match="unequal shares can't be placed on 2 nodes"):
        divide([(8, 0)] * 2, parse_shape("[.@2,.,.]"))


@given(st.lists(st.tuples(st.integers(8, 64), st.integers(0, 8)), min_size=1, max_size=6), st.integers(1, 8))
def test_a_division_gives_each_something_and_no_more_than_there_is(nodes, count):
    parts = divide(nodes, parse_shape(str(count)))
    assert len(parts) == count
    assert all(part.cores >= 1 for part in parts)
    assert sum(part.nnodes * part.cores for part in parts) <= sum(cores for cores, _ in nodes)
    if count > len(nodes):
        assert sum(part.cores for part in parts) == sum(cores for cores, _ in nodes)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(6, 200))
def test_shares_are_kept_within_one(shares, cores):
    text = "[" + ",".join(f".@{share}" for share in shares) + "]"
    parts = divide([(cores, 0)], parse_shape(text))
    assert sum(part.cores for part in parts) == cores
    ordered = sorted(zip(shares, (part.cores for part in parts), strict=True))
    assert all(b[1] >= a[1] - 1 for a, b in itertools.pairwise(ordered))
