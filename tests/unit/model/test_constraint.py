from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError, JobspecError
from bourn.model.constraint import Constraint, check_constraint, constraint_and, parse_requires

NODES = [(0, "n0", {"gpu"}), (1, "n1", {"gpu", "big"}), (2, "n2", set()), (3, "login", {"big"})]


def matches(obj: dict[str, Any]) -> list[int]:
    constraint = Constraint(obj)
    return [rank for rank, host, props in NODES if constraint.match(rank, host, props)]


@pytest.mark.parametrize(
    ("obj", "ranks"),
    [
        ({}, [0, 1, 2, 3]),
        ({"and": []}, [0, 1, 2, 3]),
        ({"or": []}, [0, 1, 2, 3]),
        ({"not": []}, []),
        ({"properties": ["gpu"]}, [0, 1]),
        ({"properties": ["gpu", "^big"]}, [0]),
        ({"properties": []}, [0, 1, 2, 3]),
        ({"hostlist": ["n[0-1]", "login"]}, [0, 1, 3]),
        ({"ranks": ["0", "2-9"]}, [0, 2, 3]),
        ({"not": [{"properties": ["gpu"]}]}, [2, 3]),
        ({"or": [{"ranks": ["2"]}, {"properties": ["big"]}]}, [1, 2, 3]),
        ({"and": [{"ranks": ["1-2"]}, {"properties": ["big"]}]}, [1]),
        ({"not": [{"ranks": ["1"]}, {"properties": ["big"]}]}, [0, 2, 3]),
        ({"properties": ["gpu"], "ranks": ["1-3"]}, [1]),
    ],
)
def test_rfc_31(obj: dict[str, Any], ranks: list[int]) -> None:
    assert matches(obj) == ranks


@pytest.mark.parametrize(
    ("text", "obj"),
    [
        ("", {}),
        ("gpu", {"properties": ["gpu"]}),
        ("^gpu", {"properties": ["^gpu"]}),
        ("gpu,big", {"properties": ["gpu", "big"]}),
        ("gpu big", {"properties": ["gpu", "big"]}),
        ("gpu and big", {"properties": ["gpu", "big"]}),
        ("gpu&big", {"properties": ["gpu", "big"]}),
        ("gpu or big", {"or": [{"properties": ["gpu"]}, {"properties": ["big"]}]}),
        ("gpu || big", {"or": [{"properties": ["gpu"]}, {"properties": ["big"]}]}),
        ("host:h[1-3]", {"hostlist": ["h[1-3]"]}),
        ("host:a,b", {"hostlist": ["a,b"]}),
        ("rank:0-3", {"ranks": ["0-3"]}),
        ("not rank:0", {"not": [{"ranks": ["0"]}]}),
        ("-rank:0", {"not": [{"ranks": ["0"]}]}),
        ("- rank:0", {"not": [{"ranks": ["0"]}]}),
        ("not not gpu", {"not": [{"not": [{"properties": ["gpu"]}]}]}),
        (
            "a (b|c) d",
            {
                "and": [
                    {"properties": ["a"]},
                    {"or": [{"properties": ["b"]}, {"properties": ["c"]}]},
                    {"properties": ["d"]},
                ]
            },
        ),
        (
            "a b or not (c and rank:1)",
            {
                "or": [
                    {"properties": ["a", "b"]},
                    {"not": [{"and": [{"properties": ["c"]}, {"ranks": ["1"]}]}]},
                ]
            },
        ),
    ],
)
def test_requires(text: str, obj: dict[str, Any]) -> None:
    assert parse_requires(text) == obj
    check_constraint(obj)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("and", "'and' stands where a term is expected"),
        ("gpu or", "ends where a term is expected"),
        ("(gpu", "a ')' is missing"),
        ("gpu)", "')' stands where nothing is expected"),
        ("hots:n1", "unknown operator 'hots:'; did you mean 'hosts'"),
        ("host:", "has no value"),
        ("rank:x", "not a non-negative integer"),
        ("host:n[1", "brackets"),
        ("^", "not the name of a property"),
        ("a'b", "not the name of a property"),
    ],
)
def test_what_is_wrong_with_requires_is_said(text: str, reason: str) -> None:
    with pytest.raises(BournError) as caught:
        parse_requires(text)
    assert caught.value.message.startswith(f"--requires={text}: ")
    assert reason in caught.value.message


@given(st.text(alphabet="ab^-()&|: ", max_size=15))
def test_any_requires_is_a_constraint_or_refused(text: str) -> None:
    try:
        obj = parse_requires(text)
    except BournError:
        return
    check_constraint(obj)


@pytest.mark.parametrize(
    ("obj", "path", "reason"),
    [
        ([], "c", "must be a dictionary"),
        ({"propertys": []}, "c", "unknown operator 'propertys'; did you mean 'properties'"),
        ({"properties": "gpu"}, "c.properties", "must be a list"),
        ({"properties": [1]}, "c.properties[0]", "must be a string"),
        ({"properties": ["a b", "x|y"]}, "c.properties[1]", "not the name of a property"),
        ({"and": [{}, {"or": [{"ranks": ["z"]}]}]}, "c.and[1].or[0].ranks", "not a non-negative integer"),
    ],
)
def test_what_is_wrong_is_said_with_the_path(obj: object, path: str, reason: str) -> None:
    with pytest.raises(JobspecError) as caught:
        check_constraint(obj, "c")
    assert caught.value.path == path
    assert reason in caught.value.reason


def test_a_bottomless_constraint_is_refused() -> None:
    obj: dict[str, Any] = {}
    for _ in range(100):
        obj = {"not": [obj]}
    with pytest.raises(JobspecError, match="nested more than"):
        check_constraint(obj)


def test_joining() -> None:
    assert constraint_and(None, {}) == {}
    assert constraint_and(None, {"ranks": ["1"]}) == {"ranks": ["1"]}
    assert constraint_and({"ranks": ["1"]}, {"properties": ["a"]}) == {
        "and": [{"ranks": ["1"]}, {"properties": ["a"]}]
    }
    assert repr(Constraint({})) == "Constraint({})"
