"""The broker's own tables of the configuration, besides those in `bourn.config.tables`."""

from __future__ import annotations

from attrs import field, frozen, validators

from bourn.broker.framing import MAX_FRAME
from bourn.broker.session import MAX_QUEUE, MAX_QUEUES
from bourn.config.types import Seconds  # noqa: TC001


@frozen
class ConnectorTable:
    """`[connector]`: bounds on what clients can make the broker hold, in bytes."""

    max_frame: int = field(default=MAX_FRAME, validator=validators.ge(1024))
    """The longest message."""
    max_queue: int = field(default=MAX_QUEUE, validator=validators.ge(1024))
    """What may wait for a client that is slow to read, before it is dropped."""
    max_queues: int = field(default=MAX_QUEUES, validator=validators.ge(1024))
    """What may wait for all clients together, before the slowest is dropped."""


@frozen
class TbonTable:
    """`[tbon]`: the tree of brokers."""

    topology: str = "kary:32"
    """Its shape: ``kary:K``, ``binomial``, or ``custom:P1,P2,...`` with the parents of the ranks 1, 2, ..."""
    interface: str = ""
    """The network interface, or address, at which brokers of one launcher listen; by default that of the
    default route."""
    keepalive: Seconds = field(default=2.0, validator=validators.gt(0))
    """How often a broker says something to its neighbours at least."""
    torpid_after: Seconds = 30.0
    """After how long a neighbour that says nothing is reported as torpid."""
    lost_after: Seconds = 120.0
    """After how long it is given up."""
    connect_timeout: Seconds = 60.0
    """How long a broker tries to find its parent, or another ancestor once it has lost that."""
    rejoin_grace: Seconds = 30.0
    """How long the ranks behind a broker that was lost have to be reached another way; their jobs go on
    meanwhile. Then they are lost, too. A broker that has had no way to rank 0 for a quarter of it tells those
    below it, which look for another."""
    user_timeout: Seconds = 20.0
    """How long data that was sent may stay unacknowledged (TCP_USER_TIMEOUT)."""
    max_frame: int = field(default=MAX_FRAME, validator=validators.ge(1024))
    """The longest message, in bytes."""
    max_queue: int = field(default=256 << 20, validator=validators.ge(1024))
    """How many bytes may wait for a neighbour before its link is given up."""
