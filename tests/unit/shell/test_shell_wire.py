"""Frames between broker and shell host."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.shell.wire import FrameError, FromHost, Splitter, Start, Stdin, ToHost, frame, from_host, to_host


@given(st.lists(st.text(), max_size=5), st.integers(1, 50))
def test_frames_survive_any_cutting(texts, step):
    stream = b"".join(bytes(frame(FromHost(seq=n, logs=[(n, "x", t)]))) for n, t in enumerate(texts))
    splitter, bodies = Splitter(), []
    for at in range(0, len(stream), step):
        bodies += splitter.feed(stream[at : at + step])
    assert [from_host.decode(body).logs for body in bodies] == [[(n, "x", t)] for n, t in enumerate(texts)]


def test_a_batch_comes_back_as_it_was():
    batch = ToHost(
        uri="local:///x",
        specs=[(1, msgspec.Raw(b'{"a":[1]}'))],
        start=[Start(5, 1, {"k": None}, 2, 4, 8, 1, 2, "0-1", "", 1.5)],
        stdin=[Stdin(5, "all", b"\xff\0", True, 3)],
        kill=[(5, 15)],
    )
    back = to_host.decode(bytes(frame(batch))[4:])
    assert back.start == batch.start
    assert back.stdin == batch.stdin
    assert bytes(back.specs[0][1]) == b'{"a":[1]}'
    assert bytes(frame(ToHost())) == b"\0\0\0\2{}"


def test_a_frame_over_the_limit_is_refused_before_it_has_come():
    with pytest.raises(FrameError, match="a frame of 101 bytes is over the limit of 100"):
        Splitter(limit=100).feed(b"\0\0\0\x65")
