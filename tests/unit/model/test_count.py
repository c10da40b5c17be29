from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.count import check_count, count_max, count_min, count_values, format_count, parse_count

ranges = st.builds(
    lambda low, more, step: {
        "min": low,
        **({} if more is None else {"max": low + more}),
        **(
            {}
            if step is None and more is None
            else {"operator": (step or "+1")[0], "operand": int((step or "+1")[1:])}
        ),
    },
    st.integers(2, 50),
    st.none() | st.integers(0, 50),
    st.none() | st.sampled_from(["+1", "+3", "*2", "^2"]),
)


@given(ranges)
def test_ranges_are_read_back(count: dict[str, Any]) -> None:
    assert check_count(count) is None
    assert parse_count(format_count(count)) == count or (count.get("operator"), count.get("operand")) == (
        "+",
        1,
    )
    assert list(count_values(format_count(count), 200)) == list(count_values(count, 200))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4", 4),
        ("[4]", 4),
        ("3+", {"min": 3}),
        ("2-8", {"min": 2, "max": 8, "operator": "+", "operand": 1}),
        ("[1-4:2:*]", {"min": 1, "max": 4, "operator": "*", "operand": 2}),
        ("1-5:2", {"min": 1, "max": 5, "operator": "+", "operand": 2}),
        ("2+:2:^", {"min": 2, "operator": "^", "operand": 2}),
        ("4,9,16,25", "4,9,16,25"),
        ("[1-2,7]", "1-2,7"),
    ],
)
def test_strings_of_rfc_45(text: str, count: object) -> None:
    assert parse_count(text) == count
    assert check_count(text) is None


@pytest.mark.parametrize(
    ("count", "values"),
    [
        (3, [3]),
        ("4,9,16", [4, 9, 16]),
        ({"min": 1, "max": 9, "operator": "*", "operand": 3}, [1, 3, 9]),
        ({"min": 2, "max": 20, "operator": "^", "operand": 2}, [2, 4, 16]),
        ({"min": 18}, [18, 19, 20]),
        ("1-9:4", [1, 5, 9]),
        (30, []),
    ],
)
def test_the_counts_that_are_acceptable(count: Any, values: list[int]) -> None:
    assert list(count_values(count, 20)) == values


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        (3, 3, 3),
        ("4,9", 4, 9),
        ("2-8:4", 2, 6),
        ({"min": 2}, 2, None),
        ("5+", 5, None),
        ({"min": 3, "max": 20, "operator": "*", "operand": 2}, 3, 12),
    ],
)
def test_least_and_greatest(count: Any, low: int, high: int | None) -> None:
    assert (count_min(count), count_max(count)) == (low, high)


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        (0, "less than 1"),
        (-2, "less than 1"),
        (True, "must be an integer"),
        (1.5, "must be an integer"),
        (None, "must be an integer"),
        ("0", "counts are at least 1"),
        ("0,1", "counts are at least 1"),
        ("", "counts are at least 1"),
        ("0-3", "'0' is not an integer from 1"),
        ("01", "leading zeros"),
        ("3-1", "less than min"),
        ("1-4:1:/", "must be one of + * ^"),
        ("1-4:1:+:2", "too many parts"),
        ("4:2", "not a range"),
        ("x", "not a non-negative integer"),
        ({}, "must have min"),
        ({"max": 3}, "must have min"),
        ({"min": 0}, "min must be an integer from 1"),
        ({"min": 3, "max": 2}, "max 2 is less than min 3"),
        ({"min": 1, "mx": 2}, "unknown key 'mx'"),
        ({"min": 1, "max": 2, "operator": "+"}, "go together"),
        ({"min": 1, "operand": 2}, "go together"),
        ({"min": 1, "max": 2, "operator": "*", "operand": 1}, "at least 2"),
        ({"min": 1, "max": 2, "operator": "^", "operand": 2}, "min must be at least 2"),
    ],
)
def test_what_is_wrong_is_said(count: object, reason: str) -> None:
    assert reason in (check_count(count) or "")


@given(st.text(alphabet="0123456789-+*^:,[]x", max_size=12))
def test_any_string_is_a_count_or_refused(text: str) -> None:
    if check_count(text) is None:
        assert count_min(text) >= 1
    else:
        with pytest.raises(BournError):
            parse_count(text)
