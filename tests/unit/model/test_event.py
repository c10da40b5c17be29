from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.event import Event, encode_event, parse_eventlog

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = st.builds(
    Event,
    st.floats(0.001, 4e9),
    st.from_regex(r"[a-z][a-z.-]{0,20}", fullmatch=True),
    st.dictionaries(st.text(), values, max_size=4),
)


@given(st.lists(events, max_size=5))
def test_an_eventlog_is_read_back(log: list[Event]) -> None:
    text = "".join(event.encode() for event in log)
    assert list(parse_eventlog(text)) == log == list(parse_eventlog(text.encode()))
    assert text.count("\n") == len(log)


def test_one_json_object_a_line() -> None:
    line = encode_event(1.25, "submit", {"userid": 1})
    assert json.loads(line) == {"timestamp": 1.25, "name": "submit", "context": {"userid": 1}}
    assert encode_event(2, "clean") == '{"timestamp":2,"name":"clean"}\n'
    assert Event(2.0, "clean").to_dict() == {"timestamp": 2.0, "name": "clean"}
    assert Event(2.0, "x", {"a": 1}).to_dict()["context"] == {"a": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nope", "not JSON"),
        ("[]", "JSON object"),
        ('{"timestamp":1,"name":"a","x":1}', "unknown key 'x'"),
        ('{"timestamp":0,"name":"a"}', "greater than 0"),
        ('{"timestamp":true,"name":"a"}', "greater than 0"),
        ('{"name":"a"}', "timestamp None"),
        ('{"timestamp":1}', "must be a word"),
        ('{"timestamp":1,"name":"a b"}', "must be a word"),
        ('{"timestamp":1,"name":"a","context":[]}', "context must be an object"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(line: str, reason: str) -> None:
    with pytest.raises(BournError, match=r"^eventlog line 2: ") as caught:
        list(parse_eventlog(Event(1.0, "ok").encode() + line))
    assert reason in caught.value.message
