"""What travels between a program and its workers."""

from __future__ import annotations

import functools
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.client import calls
from bourn.errors import BournError


@given(
    st.lists(st.tuples(st.integers(1, 7), st.integers(0, 2**64 - 1), st.binary(max_size=50)), max_size=8),
    st.integers(1, 40),
)
def test_frames_survive_any_cut(frames, step):
    stream = b"".join(calls.frame(kind, id, body) for kind, id, body in frames)
    reader = calls.Frames()
    found = [f for i in range(0, len(stream), step) for f in reader.feed(stream[i : i + step])]
    assert [(kind, id, body) for kind, id, body, _ in found] == frames


def test_an_unpicklable_function_is_named(monkeypatch):
    monkeypatch.setattr(calls, "cloudpickle", lambda: None)
    with pytest.raises(BournError, match=r"^the function .*<lambda>\(\) can't be sent .* cloudpickle"):
        calls.pack_call(lambda: None, (), {})


def test_an_unpicklable_argument_is_named(monkeypatch):
    monkeypatch.setattr(calls, "cloudpickle", lambda: None)
    with pytest.raises(BournError, match=r"^argument 2 of builtins\.print\(\), a lock, can't be sent"):
        calls.pack_call(print, (1, threading.Lock()), {})
    with pytest.raises(BournError, match=r"^argument 'file' of builtins\.print\(\), a lock, can't be sent"):
        calls.pack_call(print, (), {"file": threading.Lock()})


def test_what_was_typed_in_has_no_file(monkeypatch):
    def typed():
        pass

    monkeypatch.setattr(calls, "cloudpickle", lambda: None)
    monkeypatch.setattr(calls, "main_source", lambda: None)
    monkeypatch.setattr(typed, "__module__", "__main__")
    with pytest.raises(BournError, match="it was typed in; put it into a file"):
        calls.pack_call(typed, (), {})


def test_cloudpickle_takes_what_pickle_does_not(monkeypatch):
    class Cloud:
        @staticmethod
        def dumps(value, protocol):
            return pickle.dumps("by value", protocol)

    monkeypatch.setattr(calls, "cloudpickle", lambda: Cloud)
    assert pickle.loads(calls.pack_call(lambda: None, (), {})) == "by value"


def test_an_exception_carries_its_traceback():
    def fail():
        raise KeyError("lost")

    try:
        fail()
    except KeyError as error:
        found = calls.unpack_error(calls.pack_error(error))
    assert repr(found) == "KeyError('lost')"
    assert 'raise KeyError("lost")' in str(found.__cause__)


class Stubborn(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_an_exception_that_cannot_be_pickled_is_described():
    found = calls.unpack_error(calls.pack_error(Stubborn(1, 2)))
    assert isinstance(found, BournError)
    assert found.message == "Stubborn: 1 and 2"


def test_names():
    assert calls.name_of(pickle.dumps) == "_pickle.dumps()"
    assert calls.name_of(functools.partial(pickle.dumps, 1)) == "_pickle.dumps()"
    assert calls.name_of(functools.partial(calls.call_each, test_names)).endswith("test_names()")
