"""Which part of a job's resources each of its brokers gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.broker.share import divide
from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet


def rset(*nodes: tuple[int, str, str]) -> ResourceSet:
    found = ResourceSet.from_nodes([(rank, f"n{rank}", cores, gpus) for rank, cores, gpus in nodes])
    found.starttime, found.expiration = 5.0, 99.0
    return found


def test_a_broker_a_node_gets_the_node() -> None:
    R = rset((2, "0-3", "0"), (5, "1,3", ""))
    R.properties = {"big": IdSet("5"), "all": IdSet("2,5")}
    share = divide(R, [5, 2])
    assert [share.hostname(rank) for rank in (0, 1)] == ["n5", "n2"]
    assert (str(share.cores(0)), str(share.cores(1)), str(share.gpus(1))) == ("1,3", "0-3", "0")
    assert {name: str(ranks) for name, ranks in share.properties.items()} == {"big": "0", "all": "0-1"}
    assert (share.starttime, share.expiration) == (5.0, 99.0)


def test_brokers_of_one_node_get_equal_parts() -> None:
    share = divide(rset((0, "0-6", "0-1")), [0, 0, 0])
    assert [str(share.cores(rank)) for rank in range(3)] == ["0-2", "3-4", "5-6"]
    assert [str(share.gpus(rank)) for rank in range(3)] == ["0", "1", ""]


def test_a_broker_for_which_nothing_is_left_has_nothing() -> None:
    assert str(divide(rset((0, "0-1", "")), [0, 0, 0]).ranks) == "0-1"


def test_a_broker_where_the_job_is_not() -> None:
    with pytest.raises(BournError, match="brokers 1 run on rank 3, where the job has no resources"):
        divide(rset((0, "0", "")), [0, 3])


@given(
    st.dictionaries(
        st.integers(0, 5), st.tuples(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 3)))
    ),
    st.data(),
)
def test_all_is_given_and_nothing_twice(
    nodes: dict[int, tuple[set[int], set[int]]], data: st.DataObject
) -> None:
    R = ResourceSet.from_nodes([(n, f"n{n}", IdSet(c), IdSet(g)) for n, (c, g) in nodes.items()])
    places = data.draw(st.permutations([node for node in nodes for _ in range(data.draw(st.integers(1, 3)))]))
    share = divide(R, places)
    assert (share.ncores, share.ngpus) == (R.ncores, R.ngpus)
    for node in nodes:
        here = [rank for rank, place in enumerate(places) if place == node]
        assert IdSet(c for rank in here for c in share.cores(rank)) == R.cores(node)
        assert max(len(share.cores(r)) for r in here) - min(len(share.cores(r)) for r in here) <= 1
