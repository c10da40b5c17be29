"""The broker's own tables of the configuration."""

from __future__ import annotations

from attrs import field, frozen, validators

from bourn.broker.framing import MAX_FRAME
from bourn.broker.session import MAX_QUEUE


@frozen
class AccessTable:
    """`[access]`: who may use the instance besides its owner."""

    allow_guest_user: bool = False
    """Other users may connect, with the role USER."""
    allow_root_owner: bool = False
    """The superuser has the owner's role."""


@frozen
class ConnectorTable:
    """`[connector]`: bounds on what one client can make the broker hold, in bytes."""

    max_frame: int = field(default=MAX_FRAME, validator=validators.ge(1024))
    """The longest message."""
    max_queue: int = field(default=MAX_QUEUE, validator=validators.ge(1024))
    """What may wait for a client that is slow to read, before it is dropped."""


TABLES: dict[str, type] = {"access": AccessTable, "connector": ConnectorTable}
"""The tables that core reads itself, by name."""
