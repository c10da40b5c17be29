"""Messages between brokers: framed as on the local socket, the payload left as it is until it is wanted.

What a broker only passes on is never decoded. The first frame of a link is the child's `hello`, the second
the parent's `welcome` or an `error`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.broker.codec import encode_frame
from bourn.broker.framing import ProtocolError
from bourn.broker.members import Members
from bourn.broker.message import CONTROL, NODE_ANY, Message
from bourn.errors import BournError

if TYPE_CHECKING:
    import trio

HELLO_MAX = 1 << 20
"""The longest first frame that is accepted, in bytes."""
_NULL = msgspec.Raw(b"null")


class Packet(msgspec.Struct):
    """A message whose payload hasn't been decoded; see `bourn.broker.message.Message`."""

    type: str
    topic: str = ""
    payload: msgspec.Raw = _NULL
    matchtag: int = 0
    nodeid: int = NODE_ANY
    userid: int = -1
    rolemask: int = 0
    flags: int = 0
    errnum: int = 0
    errstr: str = ""
    seq: int = 0
    client: str = ""


_decode_packet = msgspec.json.Decoder(Packet).decode
_decode_value = msgspec.json.Decoder().decode


def decode_packet(body: bytes | memoryview) -> Packet:
    """Return the message in a frame's body; it is valid as long as `body` is. ProtocolError."""
    try:
        return _decode_packet(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"malformed message: {error}") from None


def value_of(payload: msgspec.Raw) -> Any:
    """Decode a payload. ProtocolError."""
    try:
        return _decode_value(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"malformed payload: {error}") from None


def control(topic: str, payload: object = None, *, matchtag: int = 0) -> bytes:
    """Return a control frame."""
    return encode_frame(Message(CONTROL, topic, payload, matchtag))


def refusal(errnum: int, text: str) -> bytes:
    """Return the control frame that tells a neighbour why there is no link."""
    return encode_frame(Message(CONTROL, "error", errnum=errnum, errstr=text))


def read_news(payload: Any) -> tuple[Members, int]:
    """Return what a parent says: who belongs to the instance, and the number of the last event.

    Raises ProtocolError.
    """
    try:
        return Members.from_payload(payload["members"]), int(payload["seq"])
    except (ValueError, KeyError, TypeError, BournError) as error:
        raise ProtocolError(f"bad news of the instance: {error}") from None


async def first_frame(stream: trio.abc.ReceiveStream) -> tuple[Packet, bytes]:
    """Read one frame; return it with the bytes that came after it.

    Raises ProtocolError where the peer speaks something else or leaves before the frame is whole.
    """
    data = bytearray()
    while True:
        if len(data) >= 4:
            size = int.from_bytes(data[:4], "big")
            if size > HELLO_MAX or (len(data) > 4 and data[4] != ord("{")):
                raise ProtocolError("it doesn't speak the protocol of brokers")
            if len(data) >= 4 + size:
                return decode_packet(bytes(data[4 : 4 + size])), bytes(data[4 + size :])
        more = await stream.receive_some(65536)
        if not more:
            raise ProtocolError("it closed the connection without a greeting", errno.ECONNRESET)
        data += more
