"""An instance that gets more brokers while it runs: what each of them makes of a longer list of hosts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bourn.broker.overlay.topology import parse_topology
from bourn.errors import ConfigError
from bourn.hookspecs.boot import GrowingSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.broker import Broker
    from bourn.broker.overlay.overlay import Overlay
    from bourn.broker.overlay.tls import TlsNetwork
    from bourn.config import Config

log = logging.getLogger("bourn.broker")


class Growth:
    """Knows the boot session that stands for the configuration of now.

    Args:
        broker: this one.
        session: how it was started.
        network: of its overlay.
        listen: has the network listen where a session says, once this broker is to have its first children.
        topology: the shape of the tree of a session.
    """

    def __init__(
        self,
        broker: Broker,
        overlay: Overlay,
        session: GrowingSession,
        network: TlsNetwork,
        listen: Callable[[GrowingSession], object],
        topology: Callable[[GrowingSession], str],
    ) -> None:
        self._broker = broker
        self._overlay = overlay
        self._session = session
        self._network = network
        self._listen = listen
        self._topology = topology

    def plan(self, config: Config) -> Callable[[], None] | None:
        """Return what makes the instance as large as a configuration says, None where it is already.

        Raises ConfigError where the brokers of now would get other ranks, addresses or parents.
        """
        session = self._session.grown(config)
        if session is None:
            return None
        tree = parse_topology(self._topology(session), session.size)
        before = self._overlay.topology
        if tree.parents[: before.size] != before.parents:
            raise ConfigError(f"topology '{tree.name}': brokers that run would get other parents")
        rank = self._broker.rank

        def become() -> None:
            if tree.children[rank] and not before.children[rank]:
                self._listen(session)
            relatives = {*tree.ancestors(rank), *tree.subtree(rank)} - {rank}
            cards = session.cards(relatives)
            self._network.learn({r: (c["host"], c["port"]) for r, c in cards.items()})
            if rank == 0:
                self._broker.cards = {**self._broker.cards, **cards}
            self._broker.resize(tree.size, session.attributes["hostlist"])
            self._overlay.grow(tree, session.attributes["instance-id"])
            self._session = session
            log.info("the instance has ranks 0-%d now", tree.size - 1)

        return become


def growth_of(
    broker: Broker,
    overlay: Overlay,
    session: object,
    network: TlsNetwork,
    listen: Callable[[GrowingSession], object],
    topology: Callable[[GrowingSession], str],
) -> Growth | None:
    """Return how an instance grows; None where its boot method has nothing to say to that."""
    if not isinstance(session, GrowingSession):
        return None
    return Growth(broker, overlay, session, network, listen, topology)
