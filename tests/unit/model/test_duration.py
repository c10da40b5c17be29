from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.duration import Duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("10", 10.0),
        ("1.5h", 5400.0),
        ("2m", 120.0),
        ("3d", 259200.0),
        ("250ms", 0.25),
        ("7s", 7.0),
        ("1e2s", 100.0),
        (" 4 ", 4.0),
        (12, 12.0),
        (0.5, 0.5),
    ],
)
def test_units(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["inf", "infinity", "INF"])
def test_infinity(text: str) -> None:
    assert math.isinf(parse_duration(text))


@pytest.mark.parametrize("text", ["", "s", "1x", "-1", "nan", "1 h", "1_0", "h1", "1hh", "1M", True, -2.0])
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(BournError, match="is not a duration: a number from 0 with ms, s, m, h or d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (5, "5s"),
        (90, "1.5m"),
        (5400, "1.5h"),
        (172800, "2d"),
        (math.inf, "infinity"),
    ],
)
def test_format(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text == str(Duration(seconds))


@given(st.floats(0.001, 1e9))
def test_format_is_read_back(seconds: float) -> None:
    assert Duration.parse(format_duration(seconds)) == pytest.approx(seconds, rel=1e-4)


def test_a_negative_one_is_not_written() -> None:
    with pytest.raises(BournError, match="negative"):
        format_duration(-1)
