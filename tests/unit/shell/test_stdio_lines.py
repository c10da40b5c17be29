"""RFC 24 lines, and where to cut text."""

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from bourn.shell import stdio


@given(st.binary(min_size=1))
def test_data_comes_back_whatever_it_is(chunk):
    event = json.loads(stdio.data("stdout", "0", chunk))
    context = event["context"]
    if "encoding" in context:
        assert base64.b64decode(context["data"]) == chunk
    else:
        assert context["data"].encode() == chunk
    assert event["timestamp"] > 0


@given(st.text(min_size=1), st.data())
def test_text_is_cut_between_characters_only(text, data):
    whole = text.encode()
    piece = whole[: data.draw(st.integers(1, len(whole)))]
    size = stdio.split_text(piece)
    piece[:size].decode()
    assert len(piece) - size < 4


def test_bytes_that_can_t_be_text_aren_t_held_back():
    assert stdio.split_text(b"\x80\x80\x80\x80") == 4
    assert stdio.split_text(b"a\xff") == 1
    assert stdio.split_text(b"abc") == 3


def test_the_other_lines():
    head = json.loads(stdio.header(3))
    assert head["context"]["count"] == {"stdout": 3, "stderr": 3}
    assert head["context"]["version"] == 1
    end = json.loads(stdio.end("stderr", "0-3"))
    assert end["context"] == {"stream": "stderr", "rank": "0-3", "eof": True}
    moved = json.loads(stdio.redirect("stdout", "0", 'a "path"'))
    assert (moved["name"], moved["context"]["path"]) == ("redirect", 'a "path"')
