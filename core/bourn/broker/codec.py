"""Messages to frames and back."""

from __future__ import annotations

import msgspec

from bourn.broker.framing import ProtocolError
from bourn.broker.message import Message

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


def encode_frame(message: Message) -> bytes:
    """Return `message` as one frame; ProtocolError where its payload can't be expressed in JSON."""
    try:
        body = _encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"{message.topic}: payload can't be sent as JSON: {error}") from None
    return len(body).to_bytes(4, "big") + body


def decode_body(body: bytes | bytearray | memoryview) -> Message:
    """Return the message in a frame's body; ProtocolError where it is none."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"malformed message: {error}") from None
