"""What travels between a program and its function workers: framed pickles.

A frame is a header (length of the body, number of the call, microseconds that it took, kind) and a body. A
worker introduces itself with the token of its lane, which is compared before anything is unpickled.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import traceback
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADER = struct.Struct("<QQIB")
TOKEN_BYTES = 32
TOKEN = "BOURN_CALLS_TOKEN"
"""Where a worker on another host finds the token."""
HELLO = struct.Struct(f"<{TOKEN_BYTES}sQ")
"""Token, job id."""

# Kinds of frame; to the worker:
SETUP, CALL, GIVE_BACK = 1, 2, 3
# and from it:
RESULT, ERROR, RETURNED, NOT_SET_UP = 4, 5, 6, 7

_PROTOCOL = pickle.HIGHEST_PROTOCOL


class RemoteTraceback(Exception):
    """The text of a traceback in a worker: the `__cause__` of the exception that a call ended with."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text


def frame(kind: int, id: int, body: bytes, usec: int = 0) -> bytes:
    """Return a whole frame."""
    return HEADER.pack(len(body), id, usec, kind) + body


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes, int]]:
        """Take bytes; yield the frames that are complete now: (kind, id, body, usec)."""
        buffer = self._buffer
        buffer += data
        start, end = 0, len(buffer)
        size = HEADER.size
        try:
            while end - start >= size:
                length, id, usec, kind = HEADER.unpack_from(buffer, start)
                if end - start < size + length:
                    break
                start += size
                body = bytes(buffer[start : start + length])
                start += length
                yield kind, id, body, usec
        finally:
            del buffer[:start]


def pack_call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Return the pickle of a call; BournError says which part of it can't be pickled."""
    if getattr(function, "__module__", None) == "__main__" and main_source() is None:
        other = cloudpickle()
        if other is None:
            raise BournError(
                f"the function {name_of(function)} can't be sent to another process: it was typed in; put it "
                "into a file, or install the package cloudpickle"
            )
        typed: bytes = other.dumps((function, args, kwargs), _PROTOCOL)
        return typed
    return _pack((function, args, kwargs), lambda: _blame(function, args, kwargs))


def pack_result(function: Callable[..., Any], value: Any) -> bytes:
    """Return the pickle of what a call returned; BournError when it can't be."""
    return _pack(value, lambda: f"what {name_of(function)} returned, a {type(value).__name__},")


def pack_error(error: BaseException) -> bytes:
    """Return the pickle of an exception with its traceback's text; one that can't be pickled is described."""
    # The worker's own frames are of no interest.
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    text = "".join(traceback.format_exception(type(error), error, frames))
    try:
        packed = _pack((error, text), lambda: "")
        pickle.loads(packed)
    except Exception:  # whatever their __reduce__ does
        packed = pickle.dumps((BournError(f"{type(error).__name__}: {error}"), text), _PROTOCOL)
    return packed


def unpack_error(body: bytes) -> BaseException:
    """Return the exception of a call, with the worker's traceback as its cause."""
    error: BaseException
    error, text = pickle.loads(body)
    error.__cause__ = RemoteTraceback(f'\n"""\n{text}"""')
    return error


@cache
def main_source() -> tuple[str, str] | None:
    """Say where the program's main script comes from; None for an interactive one."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return "module", spec.name
    path = getattr(main, "__file__", None)
    return None if path is None or not os.path.exists(path) else ("path", os.path.abspath(path))


def call_each(function: Callable[..., Any], rows: list[tuple[Any, ...]]) -> list[Any]:
    """Call a function with the arguments of each row: a chunk of a `map`."""
    return [function(*row) for row in rows]


def name_of(function: object) -> str:
    """Return how a user would recognise a callable."""
    if isinstance(function, partial):
        return name_of(function.args[0] if function.func is call_each else function.func)
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    return f"{module}.{name}()" if module else f"{name}()"


def cloudpickle() -> Any:
    """Return the module cloudpickle, or None where it isn't installed."""
    try:
        import cloudpickle as module  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    return module


def _pack(value: Any, blame: Callable[[], str]) -> bytes:
    reason: Exception
    try:
        return pickle.dumps(value, _PROTOCOL)
    except Exception as error:  # whatever their __reduce__ does
        reason = error
    other = cloudpickle()
    if other is not None:
        try:
            packed: bytes = other.dumps(value, _PROTOCOL)
        except Exception as error:
            reason = error
        else:
            return packed
    what = blame()
    hint = ""
    if other is None and what.startswith("the function"):
        hint = "; functions at the top of a module can, others where the package cloudpickle is installed"
    raise BournError(f"{what} can't be sent to another process: {reason}{hint}") from reason


def _blame(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Name the part of a call that can't be pickled."""
    if not _picklable(function):
        return f"the function {name_of(function)}"
    for i, value in enumerate(args):
        if not _picklable(value):
            return f"argument {i + 1} of {name_of(function)}, a {type(value).__name__},"
    for key, value in kwargs.items():
        if not _picklable(value):
            return f"argument '{key}' of {name_of(function)}, a {type(value).__name__},"
    return f"the call of {name_of(function)}"


def _picklable(value: Any) -> bool:
    try:
        pickle.dumps(value, _PROTOCOL)
    except Exception:
        return False
    return True
