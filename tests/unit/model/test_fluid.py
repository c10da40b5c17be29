from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.fluid import FluidGenerator


def test_the_bits_are_where_rfc_19_puts_them() -> None:
    ids = FluidGenerator(1000, generator=5)
    assert ids.next(1007) == 7 << 24 | 5 << 10 | 0
    assert ids.next(1007) == 7 << 24 | 5 << 10 | 1
    assert ids.next(1008) == 8 << 24 | 5 << 10


def test_a_used_up_millisecond_waits_for_the_next() -> None:
    ids = FluidGenerator(0)
    taken = [ids.next(50) for _ in range(1024)]
    assert len(set(taken)) == 1024
    assert ids.next(50) is None
    assert ids.next(51) == 51 << 24


def test_a_batch_borrows_from_the_milliseconds_to_come() -> None:
    ids = FluidGenerator(0, generator=3)
    batch = ids.batch(4000, 10)
    assert batch == sorted(set(batch))
    assert [batch[0] >> 24, batch[-1] >> 24] == [10, 13]
    assert all(i >> 10 & 0x3FFF == 3 for i in batch)
    after = ids.batch(2, 11)
    assert after[0] > batch[-1]
    assert ids.batch(0, 11) == []


def test_a_clock_that_went_back_makes_no_second_id() -> None:
    ids = FluidGenerator(0)
    first = ids.batch(1500, 1000)
    more = [ids.next(5) for _ in range(1024)]
    assert None not in more
    assert min(more) > max(first)  # type: ignore[type-var]


def test_ids_of_an_earlier_run_are_not_repeated() -> None:
    last = FluidGenerator(0, 1).batch(3000, 77)[-1]
    assert FluidGenerator(0, 1, after=last).batch(1, 77)[0] > last


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1500)), max_size=20))
def test_ids_ascend_whatever_the_clock_does(steps: list[tuple[int, int]]) -> None:
    ids = FluidGenerator(0)
    seen = [-1]
    for now, n in steps:
        seen += ids.batch(n, now)
        one = ids.next(now)
        if one is not None:
            seen.append(one)
    assert all(a < b for a, b in pairwise(seen))


def test_limits() -> None:
    with pytest.raises(BournError, match="generator"):
        FluidGenerator(0, 1 << 14)
    with pytest.raises(BournError, match="34 years"):
        FluidGenerator(0).next(1 << 40)
    with pytest.raises(BournError, match="34 years"):
        FluidGenerator(0).batch(1, 1 << 40)
