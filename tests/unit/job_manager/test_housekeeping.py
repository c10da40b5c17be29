from hypothesis import given
from hypothesis import strategies as st

from bourn.model.idset import IdSet
from bourn_plugins.job_manager.housekeeping import Keeping


def test_all_ranks_are_given_back_together():
    keeping = Keeping(IdSet("0-2"))
    assert [str(keeping.done(rank)) for rank in (1, 0, 2)] == ["", "", "0-2"]
    assert not keeping.busy


def test_after_some_time_each_is_given_back_when_it_is_done():
    keeping = Keeping(IdSet("0-3"))
    assert not keeping.done(2)
    assert not keeping.done(0)
    assert str(keeping.time_is_up()) == "0,2"
    assert str(keeping.done(3)) == "3"
    assert str(keeping.busy) == "1"
    assert str(keeping.done(1)) == "1"


@given(st.permutations(range(5)), st.integers(0, 5))
def test_every_rank_is_given_back_once(order, late):
    keeping = Keeping(IdSet("0-4"))
    back = []
    for number, rank in enumerate(order):
        if number == late:
            back += keeping.time_is_up()
        back += keeping.done(rank)
    assert sorted(back) == [0, 1, 2, 3, 4]
