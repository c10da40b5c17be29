from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.shape import format_shape, parse_shape


def vertex(type: str, count: Any = 1, *inside: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"type": type, "count": count, **keys, **({"with": list(inside)} if inside else {})}


def slot(count: Any, *inside: dict[str, Any], label: str = "default", **keys: Any) -> dict[str, Any]:
    return vertex("slot", count, *inside, label=label, **keys)


NODE = vertex("node")
# The use cases of RFC 46.
CASES = [
    ("slot=4/node", [slot(4, NODE)]),
    ("slot=3-30/node", [slot({"min": 3, "max": 30, "operator": "+", "operand": 1}, NODE)]),
    (
        "slot=4{nodelevel}/node{-x}/socket=2+/core=4+",
        [
            slot(
                4,
                vertex("node", 1, vertex("socket", {"min": 2}, vertex("core", {"min": 4})), exclusive=False),
                label="nodelevel",
            )
        ],
    ),
    (
        "[cluster/slot=2{ib}/node/[memory=4{unit:GB};ib10g];switch/slot=2{bicore}/node/core=2]",
        [
            vertex(
                "cluster",
                1,
                slot(2, vertex("node", 1, vertex("memory", 4, unit="GB"), vertex("ib10g")), label="ib"),
            ),
            vertex("switch", 1, slot(2, vertex("node", 1, vertex("core", 2)), label="bicore")),
        ],
    ),
    (
        "cluster=2/slot/node=1+{-x}/core=30",
        [vertex("cluster", 2, slot(1, vertex("node", {"min": 1}, vertex("core", 30), exclusive=False)))],
    ),
    ("slot=4,9,16,25/node", [slot("4,9,16,25", NODE)]),
    (
        "slot=10/[memory=2+{unit:GB};core]",
        [slot(10, vertex("memory", {"min": 2}, unit="GB"), vertex("core"))],
    ),
    (
        "slot=2{4GB-node}/node/memory=4+{unit:GB}",
        [slot(2, vertex("node", 1, vertex("memory", {"min": 4}, unit="GB")), label="4GB-node")],
    ),
]


@pytest.mark.parametrize(("text", "resources"), CASES)
def test_use_cases_of_rfc_46(text: str, resources: list[dict[str, Any]]) -> None:
    assert parse_shape(text) == resources
    assert format_shape(resources) == text


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a{x}", {"exclusive": True}),
        ("a{+x}", {"exclusive": True}),
        ("a{-exclusive}", {"exclusive": False}),
        ("a{unit:GB,x}", {"unit": "GB", "exclusive": True}),
        ('a{unit:"G,B"}', {"unit": "G,B"}),
        ('a{unit:"5",n:5,f:1.5,b:false,z:null}', {"unit": "5", "n": 5, "f": 1.5, "b": False, "z": None}),
        ("a{o:{p,-q,r:[1,b]}}", {"o": {"p": True, "q": False, "r": [1, "b"]}}),
        ("a{}", {}),
        ("a{o:{},l:[]}", {"o": {}, "l": []}),
    ],
)
def test_keys_and_values(text: str, keys: dict[str, Any]) -> None:
    assert parse_shape(text) == [vertex("a", 1, **keys)]
    assert parse_shape(format_shape(parse_shape(text))) == parse_shape(text)


words = st.text(alphabet='ab -+x=/;{}[]"5', min_size=1, max_size=5)
vertices = st.deferred(
    lambda: st.builds(
        lambda type, count, keys, inside: vertex(type, count, *inside, **keys),
        words.filter(lambda w: w != "slot"),
        st.integers(1, 9) | st.sampled_from(["4,9", {"min": 3}]),
        st.dictionaries(
            words.filter(lambda w: w not in ("x", "type", "count", "with")), words | st.booleans(), max_size=2
        ),
        st.lists(vertices, max_size=2),
    )
)


@given(st.lists(vertices, min_size=1, max_size=3))
def test_any_tree_is_read_back(resources: list[dict[str, Any]]) -> None:
    assert parse_shape(format_shape(resources)) == resources


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "character 1: the type of a resource is missing"),
        ("slot=4", "a slot must have resources in it"),
        ("slot=0/core", "character 6: '0' is not a count"),
        ("slot/core]", "character 10: ']' is too much"),
        ("[core;gpu", "']' is missing"),
        ("core{unit:GB", "',' is missing"),
        ("core{,}", "a key is missing"),
        ("core{+x:1}", "takes no value"),
        ("core{a:}", "a value is missing"),
        ('core{a:"b}', "a quoted string doesn't end"),
        ("slot{}/core", "the slot's label is missing"),
        ("core=", "not a count"),
        ("[slot/core;slot/gpu]", "every one of several slots needs a label"),
        ("a/" * 70 + "b", "nested too deep"),
    ],
)
def test_what_is_wrong_is_said_with_the_place(text: str, reason: str) -> None:
    with pytest.raises(BournError, match=r"^shape '") as caught:
        parse_shape(text)
    assert reason in caught.value.message
