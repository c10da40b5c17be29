import io

import pytest

from bourn.client.output import Output, OutputPrinter, decode_output


def data(text, rank="0", stream="stdout", **more):
    return {
        "timestamp": 1.0,
        "name": "data",
        "context": {"stream": stream, "rank": rank, "data": text, **more},
    }


def show(*entries, label=False):
    out, err = io.BytesIO(), io.BytesIO()
    OutputPrinter(out, err, label).write(entries)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("entry", "output"),
    [
        (data("a\n"), Output("stdout", "0", b"a\n", False)),
        (data("/wA=", encoding="base64"), Output("stdout", "0", b"\xff\x00", False)),
        (data("x", repeat=3), Output("stdout", "0", b"xxx", False)),
        (data(None, eof=True), Output("stdout", "0", b"", True)),
        ({"timestamp": 1.0, "name": "header", "context": {"version": 1}}, None),
    ],
)
def test_entries_become_bytes(entry, output):
    assert decode_output(entry) == output


def test_streams_are_kept_apart():
    assert show(data("out"), data("err", stream="stderr")) == (b"out", b"err")


def test_labels_of_whole_lines():
    assert show(data("a\nb\n", "1"), data("c\n", "0-1"), label=True)[0] == b"1: a\n1: b\n0: c\n1: c\n"


def test_labels_of_unfinished_lines():
    assert show(data("a", "0"), data("b\n", "0"), label=True)[0] == b"0: ab\n"
    assert show(data("a\rb\n\nc", "0"), label=True)[0] == b"0: a\rb\n0: \n0: c"
    assert show(data("a", "0"), data("b\n", "1"), label=True)[0] == b"0: a\n1: b\n"


def test_redirection_and_shell_messages_go_to_standard_error():
    redirect = {
        "timestamp": 1.0,
        "name": "redirect",
        "context": {"stream": "stdout", "rank": "0", "path": "x.out"},
    }
    log = {
        "timestamp": 1.0,
        "name": "log",
        "context": {"level": 3, "rank": 0, "component": "rlimit", "message": "no"},
    }
    quiet = {"timestamp": 1.0, "name": "log", "context": {"level": 6, "rank": 0, "message": "hush"}}
    assert show(redirect, log, quiet) == (
        b"",
        b"0: stdout redirected to x.out\nbourn-shell[0]: ERROR: rlimit: no\n",
    )
