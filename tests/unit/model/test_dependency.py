from __future__ import annotations

from typing import Any

import pytest

from bourn.errors import BournError
from bourn.model.dependency import parse_dependency


@pytest.mark.parametrize(
    ("text", "dependency"),
    [
        ("afterok:ƒ2oLkTLb", {"scheme": "afterok", "value": "ƒ2oLkTLb"}),
        ("begin-time:+1h", {"scheme": "begin-time", "value": "+1h"}),
        (
            "string:foo?type=in&scope=user",
            {"scheme": "string", "value": "foo", "type": "in", "scope": "user"},
        ),
        (
            "x:a%3Fb?n=5&flag&k=1&k=two",
            {"scheme": "x", "value": "a?b", "n": 5, "flag": True, "k": [1, "two"]},
        ),
        ("x:a?k=1&k=2&k=3", {"scheme": "x", "value": "a", "k": [1, 2, 3]}),
        ("x:a:b", {"scheme": "x", "value": "a:b"}),
    ],
)
def test_scheme_value_and_parameters(text: str, dependency: dict[str, Any]) -> None:
    assert parse_dependency(text) == dependency


@pytest.mark.parametrize("text", ["", "x", ":1", "x:", "x:?a=1", "a b:1", "x:1?value=2", "x:1?=2"])
def test_what_is_wrong_is_said(text: str) -> None:
    with pytest.raises(BournError, match=r"^dependency '"):
        parse_dependency(text)
