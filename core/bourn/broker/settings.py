"""The broker's own table of the configuration, besides those in `bourn.config.tables`."""

from __future__ import annotations

from attrs import field, frozen, validators

from bourn.broker.framing import MAX_FRAME
from bourn.broker.session import MAX_QUEUE


@frozen
class ConnectorTable:
    """`[connector]`: bounds on what one client can make the broker hold, in bytes."""

    max_frame: int = field(default=MAX_FRAME, validator=validators.ge(1024))
    """The longest message."""
    max_queue: int = field(default=MAX_QUEUE, validator=validators.ge(1024))
    """What may wait for a client that is slow to read, before it is dropped."""
