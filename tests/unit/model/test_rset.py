from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet

ids = st.sets(st.integers(0, 7)).map(IdSet)
rsets = st.dictionaries(
    st.integers(0, 9), st.tuples(ids, ids).filter(lambda node: bool(node[0] or node[1])), max_size=6
).map(lambda nodes: ResourceSet.from_nodes((rank, f"n{rank}", *node) for rank, node in nodes.items()))


def units(rset: ResourceSet) -> set[tuple[str, int, int]]:
    return {("core", r, i) for r in rset.ranks for i in rset.cores(r)} | {
        ("gpu", r, i) for r in rset.ranks for i in rset.gpus(r)
    }


@given(rsets)
def test_it_is_read_back(rset: ResourceSet) -> None:
    again = ResourceSet.from_dict(json.loads(json.dumps(rset.to_dict())))
    assert again == rset
    assert again.nodelist == rset.nodelist
    assert (rset.nnodes, rset.ncores + rset.ngpus) == (len(rset.ranks), len(units(rset)))
    assert bool(rset) == bool(rset.nnodes)


@given(rsets, rsets)
def test_algebra_agrees_with_plain_sets(a: ResourceSet, b: ResourceSet) -> None:
    assert units(a.union(b)) == units(a) | units(b)
    assert units(a.diff(b)) == units(a) - units(b)
    assert units(a.intersect(b)) == units(a) & units(b)
    assert a.diff(b).union(a.intersect(b)) == a


@given(rsets, ids)
def test_parts_by_rank(rset: ResourceSet, ranks: IdSet) -> None:
    part = rset.copy_ranks(ranks)
    assert part.ranks == rset.ranks & ranks
    renumbered = rset.remap_ranks()
    assert list(renumbered.ranks) == list(range(rset.nnodes))
    assert renumbered.nodelist == rset.nodelist


def R(**execution: Any) -> dict[str, Any]:
    base = {"R_lite": [{"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}}], "nodelist": ["h[0-1]"]}
    return {"version": 1, "execution": {**base, **execution}}


def test_what_is_carried_along() -> None:
    obj = R(nslots=2, properties={"big": "1", "all": "0-1"}, starttime=1.5, expiration=9)
    obj["scheduling"] = {"graph": {}}
    rset = ResourceSet.from_dict(obj)
    assert rset.to_dict() == obj
    assert rset.properties_of(1) == {"big", "all"}
    assert rset.hostname(1) == "h1"
    assert rset.summary() == "rank[0-1]/core[0-3],gpu0"
    assert str(rset.copy_ranks(IdSet("0")).properties["all"]) == "0"
    assert "big" not in rset.copy_ranks(IdSet("0")).properties
    assert rset.remap_ranks(IdSet("5,7")).properties_of(7) == {"big", "all"}
    other = ResourceSet.from_dict(
        R(R_lite=[{"rank": "2", "children": {"core": "0"}}], nodelist=["x"], properties={"big": "2"})
    )
    assert str(rset.union(other).properties["big"]) == "1-2"
    assert str(rset.union(other).nodelist) == "h[0-1],x"
    assert repr(other) == "ResourceSet('rank2/core0')"


def test_a_rank_may_stand_in_several_entries() -> None:
    rset = ResourceSet.from_dict(
        R(R_lite=[{"rank": "0", "children": {"core": "0"}}, {"rank": "0-1", "children": {"core": "1"}}])
    )
    assert str(rset.cores(0)) == "0-1"
    assert not rset.cores(9)
    assert not rset.gpus(9)


def test_ranks_must_fit_when_renumbered() -> None:
    with pytest.raises(BournError, match="3 ranks can't stand for the set's 2"):
        ResourceSet.from_dict(R()).remap_ranks(IdSet("0-2"))


@pytest.mark.parametrize(
    ("obj", "reason"),
    [
        ([], "R: must be a dictionary"),
        ({}, "R: version: must be 1"),
        ({"version": 1}, "R: execution: must be a dictionary"),
        ({"version": 1, "execution": {}}, "R: execution.R_lite: must be a list"),
        (R(R_lite=[{}]), "R: execution.R_lite[0]: must be a dictionary with rank and children"),
        (R(R_lite=[{"rank": 0, "children": {}}]), "R_lite[0].rank: must be an idset"),
        (R(R_lite=[{"rank": "0", "children": {"cores": "0"}}]), "unknown key 'cores'"),
        (R(R_lite=[{"rank": "0", "children": {"core": "z"}}]), "R_lite[0].children.core: idset 'z'"),
        (R(R_lite=[{"rank": "0", "children": {"core": "0"}}] * 2), "rank 0 has a core or GPU twice"),
        (R(nodelist=["h0"]), "nodelist: 1 hosts for 2 ranks"),
        (R(nodelist="h0"), "nodelist: must be a list of hostlists"),
        (R(nodelist=["h["]), "nodelist: hostlist 'h['"),
        (R(properties=[]), "properties: must be a dictionary"),
        (R(properties={"p": "0-5"}), "properties.p: ranks 2-5 are not in R_lite"),
        (R(nslots=0), "nslots: must be an integer from 1"),
        (R(starttime="x"), "starttime: must be seconds"),
        (R(starttime=5, expiration=4), "expiration: must be later than starttime"),
    ],
)
def test_what_is_wrong_is_said_with_the_path(obj: object, reason: str) -> None:
    with pytest.raises(BournError) as caught:
        ResourceSet.from_dict(obj)
    assert reason in caught.value.message
