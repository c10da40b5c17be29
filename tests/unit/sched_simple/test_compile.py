import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.model.counts import Counts
from bourn.model.rset import ResourceSet
from bourn_plugins.sched_simple.compile import ask_of, nodes_of, rset_of, shares_of
from bourn_plugins.sched_simple.pool import Ask, Node, Share


def counts(**other: object) -> Counts:
    base: dict[str, object] = {
        "nnodes": None, "nslots": 1, "ncores": 1, "ngpus": 0, "ntasks": 1,
        "cores_per_slot": 1, "gpus_per_slot": 0, "exclusive": False, "duration": 0.0,
    }  # fmt: skip
    return Counts(**{**base, **other})  # type: ignore[arg-type]


def test_slots_of_cores() -> None:
    assert ask_of(counts(nslots=4, cores_per_slot=2, gpus_per_slot=1)) == Ask(4, 2, 1)


def test_slots_in_nodes() -> None:
    assert ask_of(counts(nnodes=2, nslots=4, exclusive=True)) == Ask(4, 1, nodes=2, exclusive=True)


def test_slots_of_whole_nodes() -> None:
    ask = ask_of(counts(nnodes=2, nslots=2, nodes_per_slot=1, cores_per_slot=0, exclusive=True))
    assert ask == Ask(2, 0, nodes=2, exclusive=True)


def test_what_needs_a_graph_is_refused_with_the_way_out() -> None:
    assert "resource type 'rack' needs a scheduler with a resource graph" in str(
        ask_of(counts(complex="resource type 'rack'"))
    )


NODES = {
    rank: Node(rank, f"h{rank}", 0xFF, 0x3, frozenset({"fast", "+here"} if rank else ())) for rank in range(3)
}


def test_r_of_an_allocation() -> None:
    assert rset_of([Share(0, 1, 0), Share(1, 0b110, 1), Share(2, 0b110, 1)], NODES, 5.0, 65.0) == {
        "version": 1,
        "execution": {
            "R_lite": [
                {"rank": "0", "children": {"core": "0"}},
                {"rank": "1-2", "children": {"core": "1-2", "gpu": "0"}},
            ],
            "nodelist": ["h[0-2]"],
            "starttime": 5.0,
            "expiration": 65.0,
            "properties": {"fast": "1-2"},
        },
    }


@given(st.dictionaries(st.integers(0, 2), st.tuples(st.integers(1, 255), st.integers(0, 3)), min_size=1))
def test_r_says_what_was_granted(held: dict[int, tuple[int, int]]) -> None:
    shares = [Share(rank, *masks) for rank, masks in sorted(held.items())]
    rset = rset_of(shares, NODES, 1.0, 0.0)
    assert sorted(shares_of(rset), key=lambda s: s.rank) == shares
    again = ResourceSet.from_dict(rset)
    assert [str(h) for h in again.nodelist] == [NODES[rank].host for rank in sorted(held)]


def test_nodes_of_a_resource_set() -> None:
    rset = {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}}],
            "nodelist": ["a[1-2]"],
            "properties": {"big": "1"},
        },
    }
    nodes = nodes_of(rset)
    assert [(n.rank, n.host, n.cores, n.gpus, set(n.properties)) for n in nodes] == [
        (0, "a1", 15, 1, set()),
        (1, "a2", 15, 1, {"big"}),
    ]


def test_an_r_that_is_wrong_names_the_field() -> None:
    with pytest.raises(Exception, match=r"R_lite"):
        nodes_of({"version": 1, "execution": {"R_lite": 3, "nodelist": []}})
