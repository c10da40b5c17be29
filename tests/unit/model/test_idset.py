from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.idset import MAX_ID, IdSet

ids = st.sets(st.integers(0, 300))


@given(ids)
def test_text_round_trips_and_agrees_with_a_plain_set(plain: set[int]) -> None:
    idset = IdSet(plain)
    assert list(idset) == sorted(plain)
    assert len(idset) == len(plain)
    assert IdSet(str(idset)) == idset == IdSet(f"[{idset}]") == IdSet.from_mask(idset.mask)
    assert hash(IdSet(str(idset))) == hash(idset)
    assert all(i in idset for i in plain)
    if plain:
        assert (idset.first(), idset.last()) == (min(plain), max(plain))


@given(ids, ids)
def test_algebra_agrees_with_plain_sets(a: set[int], b: set[int]) -> None:
    x, y = IdSet(a), IdSet(b)
    assert list(x | y) == sorted(a | b)
    assert list(x & y) == sorted(a & b)
    assert list(x - y) == sorted(a - b)
    assert list(x ^ y) == sorted(a ^ b)
    assert (x <= y, x < y, x >= y, x > y) == (a <= b, a < b, a >= b, a > b)
    assert x.isdisjoint(y) == a.isdisjoint(b)


@given(ids, st.integers(0, 400))
def test_take_gives_the_smallest(plain: set[int], n: int) -> None:
    assert list(IdSet(plain).take(n)) == sorted(plain)[:n]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("[]", ""),
        ("1,2,3,5,6,42", "1-3,5-6,42"),
        ("[1-3,5-6,42]", "1-3,5-6,42"),
        (" 7 ", "7"),
        ("0-0", "0"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(IdSet(text)) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "'a' is not a non-negative integer"),
        ("1,,2", "an id is missing"),
        ("01", "leading zeros"),
        ("3-1", "descends"),
        ("2,1", "ascend"),
        ("1-3,2", "ascend"),
        ("[1", "bracket"),
        ("-1", "an id is missing"),
        ("1-2-3", "not a non-negative integer"),
        (str(MAX_ID), "over the limit"),
        ("0-99999999999999", "over the limit"),
        ("²", "not a non-negative integer"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(BournError, match=r"^idset ") as caught:
        IdSet(text)
    assert reason in caught.value.message


def test_ids_out_of_range_are_refused() -> None:
    with pytest.raises(BournError, match="from 0"):
        IdSet([-1])
    with pytest.raises(BournError, match="limit"):
        IdSet(range(MAX_ID + 1))
    assert list(IdSet(range(3, 6))) == [3, 4, 5]
    assert not IdSet(range(0))


def test_an_empty_set_has_no_ends() -> None:
    with pytest.raises(ValueError, match="empty"):
        IdSet().first()
    with pytest.raises(ValueError, match="empty"):
        IdSet().last()
    assert "x" not in IdSet("1")
    assert repr(IdSet("1-2")) == "IdSet('1-2')"
