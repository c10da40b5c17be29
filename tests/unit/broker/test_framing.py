from __future__ import annotations

import errno
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.broker.codec import decode_body, encode_frame
from bourn.broker.framing import FrameDecoder, ProtocolError
from bourn.broker.message import Message

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)
messages = st.builds(
    Message,
    type=st.sampled_from(["request", "response", "event", "control"]),
    topic=st.text(st.characters(codec="utf-8"), max_size=20),
    payload=json_values,
    matchtag=st.integers(0, 2**32),
    nodeid=st.integers(-2, 2**20),
    userid=st.integers(-1, 2**31),
    flags=st.integers(0, 3),
    errnum=st.integers(0, 133),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 10_000), max_size=8))
def test_messages_survive_any_cutting_of_the_stream(sent: list[Message], cuts: list[int]) -> None:
    decoder = FrameDecoder()
    data = b"".join(map(encode_frame, sent))
    received = [decode_body(body) for piece in pieces(data, cuts) for body in decoder.feed(piece)]
    assert received == sent
    assert decoder.pending == 0


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_garbage_is_refused_or_awaited_and_nothing_else(data: bytes, cuts: list[int]) -> None:
    decoder = FrameDecoder(max_frame=100)
    try:
        for piece in pieces(data, cuts):
            for body in decoder.feed(piece):
                decode_body(body)
    except ProtocolError:
        return
    assert decoder.pending <= 104


def test_a_frame_that_is_too_long_is_refused_by_its_length_alone() -> None:
    decoder = FrameDecoder(max_frame=10)
    with pytest.raises(ProtocolError, match="11 bytes exceeds the limit of 10") as caught:
        list(decoder.feed((11).to_bytes(4, "big")))
    assert caught.value.errnum == errno.EMSGSIZE


def test_what_came_before_a_bad_frame_is_delivered() -> None:
    bodies = FrameDecoder().feed(encode_frame(Message("event", "a")) + b"\xff\xff\xff\xff")
    assert decode_body(next(bodies)).topic == "a"
    with pytest.raises(ProtocolError):
        next(bodies)


@pytest.mark.parametrize(
    "body", [b"{", b'{"topic":"x"}', b'{"type":"request","matchtag":"one"}', b'{"type":"\xff"}', b"{}"]
)
def test_a_body_that_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="malformed message"):
        decode_body(body)


def test_a_deeply_nested_body_is_refused() -> None:
    with pytest.raises(ProtocolError):
        decode_body(b'{"type":"request","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_what_json_cannot_say_is_refused_with_the_topic() -> None:
    with pytest.raises(ProtocolError, match=r"g.hello: payload can't be sent"):
        encode_frame(Message("response", "g.hello", payload=object()))
