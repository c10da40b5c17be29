"""The ids of job arrays and of their members."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.fluid import FluidGenerator
from bourn.model.jobid import MAX_MEMBERS, JobID, member_id, member_number

NUMBERS = st.integers(0, MAX_MEMBERS - 1)


@given(st.integers(0, 2**30), st.integers(0, 2**14 - 1), NUMBERS)
def test_a_member_s_id_and_number_tell_each_other(ms, generator, number):
    array = ms << 24 | generator << 10
    assert member_number(array, member_id(array, number)) == number


@given(NUMBERS, NUMBERS)
def test_ids_ascend_with_numbers(a, b):
    assert (a < b) == (member_id(1 << 24, a) < member_id(1 << 24, b))
    assert member_id(1 << 24, a) > 1 << 24


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5000), st.integers(0, 5)), max_size=12))
def test_blocks_and_batches_never_overlap(steps):
    generator = FluidGenerator(0, 3)
    now, seen = 0, set()
    for block, count, later in steps:
        now += later
        if block:
            first = generator.block(count + 1, now)
            ids = [first, *(member_id(first, number) for number in range(count))]
        else:
            ids = generator.batch(count, now)
        assert not seen.intersection(ids)
        assert not seen or min(ids) > max(seen)
        seen.update(ids)


@pytest.mark.parametrize("text", ["{}[7]", "{}.7", "job {}"])
def test_members_are_addressed_by_number(text):
    array = JobID(5 << 24)
    if text.startswith("job"):
        with pytest.raises(BournError):
            JobID(text.format(array))
        return
    assert JobID(text.format(array)) == member_id(array, 7)
    assert JobID(text.format(array.dec)) == member_id(array, 7)


def test_dothex_ids_are_no_members():
    assert JobID("0000.0000.0500.0007") == 0x5000007


def test_numbers_have_a_bound():
    with pytest.raises(BournError, match=f"numbers below {MAX_MEMBERS}"):
        JobID(f"ƒA[{MAX_MEMBERS}]")
