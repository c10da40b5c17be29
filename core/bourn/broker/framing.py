"""Frames: a 4-byte big-endian length, then that many bytes of JSON. No I/O, and light to import: clients
use it too.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FRAME = 64 << 20
"""The longest frame that is accepted, in bytes, unless configured otherwise."""

_OPENING_BRACE = ord("{")


class ProtocolError(BournError):
    """The peer doesn't speak the protocol; the connection can't go on."""

    errnum = errno.EPROTO


class FrameDecoder:
    """Cuts a stream of bytes into frame bodies, in whatever pieces it arrives.

    A started frame is kept until it is whole, so a peer can make us hold at most `max_frame` bytes.
    """

    __slots__ = ("_need", "_partial", "max_frame")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self.max_frame = max_frame
        self._partial = bytearray()
        self._need = 0

    @property
    def pending(self) -> int:
        """Bytes of a frame that has begun and isn't whole yet."""
        return len(self._partial)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[memoryview]:
        """Yield the bodies that `data` completes; each is valid until the next call.

        Raises ProtocolError, with EMSGSIZE for a frame that is too long, after yielding what came before it.
        """
        if self._partial:
            self._partial += data
            if len(self._partial) < self._need:
                return
            data, self._partial = self._partial, bytearray()
        view = memoryview(data)
        position, end = 0, len(view)
        while end - position >= 4:
            start = position + 4
            length = int.from_bytes(view[position:start], "big")
            if length > self.max_frame:
                raise ProtocolError(
                    f"a frame of {length} bytes exceeds the limit of {self.max_frame}", errno.EMSGSIZE
                )
            if start < end and view[start] != _OPENING_BRACE:
                raise ProtocolError("malformed message: a frame must hold a JSON object")
            if end - start < length:
                self._need = 4 + length
                break
            yield view[start : start + length]
            position = start + length
        else:
            self._need = 4
        if position < end:
            self._partial += view[position:]
