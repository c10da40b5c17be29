"""Messages as they travel (RFC 3): requests, responses, events and controls.

One flat record serves all four; what a type doesn't use keeps its default and isn't sent.
"""

from __future__ import annotations

from typing import Any

import msgspec

REQUEST = "request"
RESPONSE = "response"
EVENT = "event"
CONTROL = "control"

STREAMING = 1
"""Flag of a request that takes any number of responses; an error response, ENODATA on success, ends it."""
NORESPONSE = 2
"""Flag of a request that wants no response at all."""
PRIVATE = 4
"""Flag of an event that only the owner's clients get."""

NODE_ANY = -1
"""Node id: the nearest broker on the way to rank 0 that has the service."""
NODE_UPSTREAM = -2
"""Node id: as `NODE_ANY`, but not this broker itself."""


class Message(msgspec.Struct, omit_defaults=True):
    """One message.

    `userid` and `rolemask` are stamped by the broker that a client is connected to; what a client sends in
    them is ignored. `matchtag` pairs a response with its request, within one connection. `errnum` is 0 on
    success, else a POSIX error number that `errstr` explains. `seq` numbers the events of an instance.
    """

    type: str
    topic: str = ""
    payload: Any = None
    matchtag: int = 0
    nodeid: int = NODE_ANY
    userid: int = -1
    rolemask: int = 0
    flags: int = 0
    errnum: int = 0
    errstr: str = ""
    seq: int = 0
    client: str = ""
