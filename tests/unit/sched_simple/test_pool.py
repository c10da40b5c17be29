"""First fit and best fit against a walk that tries everything."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn_plugins.sched_simple.pool import Ask, Node, Pool, Share, lowest


def pool(*cores: int, gpus: int = 0, fit: str = "first") -> Pool:
    made = Pool([Node(i, f"n{i}", (1 << c) - 1, (1 << gpus) - 1) for i, c in enumerate(cores)], fit)
    made.set_up(range(len(cores)), True)
    return made


def test_first_fit_takes_the_lowest_free_cores() -> None:
    p = pool(4, 4)
    assert p.allocate(1, Ask(1, 3)) == (Share(0, 0b0111, 0),)
    assert p.allocate(2, Ask(1, 2)) == (Share(1, 0b0011, 0),)
    assert p.allocate(3, Ask(1, 1)) == (Share(0, 0b1000, 0),)


def test_best_fit_fills_the_fullest_node() -> None:
    p = pool(4, 4, fit="best")
    p.claim(1, [Share(1, 0b0111, 0)])
    assert p.allocate(2, Ask(1, 1)) == (Share(1, 0b1000, 0),)


def test_slots_spread_over_nodes_where_none_are_asked_for() -> None:
    assert pool(2, 2).allocate(1, Ask(3, 1)) == (Share(0, 3, 0), Share(1, 1, 0))


def test_nodes_hold_equal_numbers_of_slots() -> None:
    p = pool(4, 1, 4)
    assert p.allocate(1, Ask(4, 1, nodes=2)) == (Share(0, 3, 0), Share(2, 3, 0))
    assert p.allocate(2, Ask(4, 1, nodes=2)) == (Share(0, 12, 0), Share(2, 12, 0))


def test_an_exclusive_job_takes_whole_idle_nodes() -> None:
    p = pool(4, 4)
    p.claim(1, [Share(0, 1, 0)])
    assert p.allocate(2, Ask(1, 1, nodes=1, exclusive=True)) == (Share(1, 15, 0),)
    assert p.allocate(3, Ask(1, 1, nodes=1, exclusive=True)) is None


def test_a_node_that_is_down_is_passed_over_and_keeps_its_jobs() -> None:
    p = pool(2, 2)
    p.claim(1, [Share(0, 1, 0)])
    p.set_up([0], False)
    assert p.allocate(2, Ask(1, 1)) == (Share(1, 1, 0),)
    p.set_up([0], True)
    assert p.allocate(3, Ask(1, 1)) == (Share(0, 2, 0),)


def test_a_claim_of_what_is_taken_changes_nothing() -> None:
    p = pool(2, 2)
    p.claim(1, [Share(1, 1, 0)])
    with pytest.raises(ValueError, match=r"rank 1 \(n1\)"):
        p.claim(2, [Share(0, 1, 0), Share(1, 1, 0)])
    assert p.nodes[0].idle


def test_ranks_are_given_back_one_by_one() -> None:
    p = pool(2, 2)
    p.allocate(1, Ask(4, 1))
    p.free(1, [0])
    assert p.held() == {1: (Share(1, 3, 0),)}
    p.free(1)
    assert p.held() == {}
    assert all(node.idle for node in p.nodes.values())


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (Ask(3, 1, nodes=3), "needs 3 nodes, the instance has 2"),
        (Ask(1, 5), "needs 5 cores in a slot, the largest node has 4"),
        (Ask(9, 1), "needs 9 cores, the instance has 8"),
        (Ask(1, 1, gpus=1), "needs 1 gpus in a slot, the largest node has 0"),
        (Ask(3, 3), "needs 9 cores, the instance has 8"),
        (Ask(2, 4, nodes=1), "needs 8 cores on a node, the largest has 4"),
        (Ask(4, 1, where=lambda node: False), "no node satisfies the constraint"),
        (Ask(8, 1), None),
    ],
)
def test_what_can_never_run_is_told_with_its_reason(ask: Ask, reason: str | None) -> None:
    assert pool(4, 4).why_never(ask) == reason


def test_slots_that_do_not_pack_are_told() -> None:
    assert pool(4, 2).why_never(Ask(2, 3)) == "needs 2 slots of 3 cores and 0 gpus, 1 fit"


def test_lowest() -> None:
    assert lowest(0b101101, 3) == 0b001101


asks = st.builds(
    Ask,
    slots=st.integers(1, 6),
    cores=st.integers(1, 4),
    gpus=st.integers(0, 2),
    nodes=st.none() | st.integers(1, 3),
    exclusive=st.booleans(),
)


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.sampled_from(["first", "best"]),
    st.lists(st.tuples(asks, st.booleans()), max_size=12),
)
def test_it_finds_what_a_full_search_finds_and_never_books_twice(
    cores: list[int], fit: str, steps: list[tuple[Ask, bool]]
) -> None:
    p = pool(*cores, gpus=2, fit=fit)
    for jobid, (ask, give_back) in enumerate(steps):
        rooms = {rank: node.room(ask) for rank, node in p.nodes.items()}
        if ask.nodes is None:
            possible = sum(rooms.values()) >= ask.slots
        else:
            each = ask.slots_per_node
            possible = any(all(rooms[r] >= each for r in c) for c in combinations(rooms, ask.nodes))
        shares = p.allocate(jobid, ask)
        assert (shares is not None) == possible
        if shares is not None and give_back:
            p.free(jobid)
        for rank, node in p.nodes.items():
            held = [s for shares in p.held().values() for s in shares if s.rank == rank]
            assert sum(s.cores.bit_count() for s in held) + node.free_cores.bit_count() == cores[rank]
            assert sum(s.gpus.bit_count() for s in held) + node.free_gpus.bit_count() == 2
    for jobid in list(p.held()):
        p.free(jobid)
    assert all(node.idle for node in p.nodes.values())
