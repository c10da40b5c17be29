"""Brokers that rank 0 takes into a running instance, known by certificates that it is told of."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from bourn.broker.overlay.topology import Topology
from bourn.broker.roles import OWNER_HERE
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.broker.broker import Broker
    from bourn.broker.overlay.overlay import Overlay
    from bourn.broker.overlay.tls import TlsNetwork

GROWN = "overlay.grown"
"""The event that tells the other ranks: `{parents, instance, hostlist}`."""


async def invite(broker: Broker) -> dict[str, Any]:
    """Return what brokers have to know that are to be the next ranks, children of rank 0.

    `{rank, parents, instance, root}`: the first rank that is free, the parents of those that there are, and
    rank 0's card. An instance of one broker gets its overlay by this.
    """
    overlay = broker.overlay or await _found(broker)
    card = broker.cards[0]
    if not card["cert"] or broker.growth is not None:
        raise BournError("the brokers of this instance stand in a list of hosts, which has to get longer")
    return {
        "rank": broker.size,
        "parents": [*overlay.topology.parents],
        "instance": overlay.instance,
        "root": {key: card[key] for key in ("host", "port", "cert")},
    }


def take(broker: Broker, cards: Mapping[int, Mapping[str, Any]]) -> None:
    """Have those take part whose cards these are, the ranks after those that there are."""
    overlay = broker.overlay
    if overlay is None or sorted(cards) != list(range(broker.size, broker.size + len(cards))):
        raise BournError(f"the next rank is {broker.size}, not {', '.join(map(str, sorted(cards)))}")
    _network(overlay).learn({}, {rank: base64.b64decode(card["cert"]) for rank, card in cards.items()})
    broker.cards = {**broker.cards, **cards}
    names = [str(cards[rank]["hostname"]) for rank in sorted(cards)]
    news = {
        "parents": [*overlay.topology.parents, *[0] * len(cards)],
        "instance": overlay.instance,
        "hostlist": ",".join([broker.attrs.get("hostlist") or broker.attrs["hostname"], *names]),
    }
    grow(broker, news)
    broker.events.publish(GROWN, news, userid=broker.owner, rolemask=OWNER_HERE)


def grow(broker: Broker, news: Mapping[str, Any]) -> None:
    """Take note of an instance's new ranks."""
    assert broker.overlay is not None
    tree = Topology(tuple(news["parents"]))
    if tree.size > broker.size:
        broker.resize(tree.size, news["hostlist"])
        broker.overlay.grow(tree, news["instance"])


async def _found(broker: Broker) -> Overlay:
    """Give an instance of one broker an overlay, of which it is the root."""
    from bourn.broker.overlay.certs import make_identity
    from bourn.broker.overlay.interface import own_address
    from bourn.broker.overlay.overlay import Overlay
    from bourn.broker.overlay.tls import TlsNetwork, Trust
    from bourn.broker.settings import TbonTable

    table = broker.config.table("tbon", TbonTable)
    identity = make_identity(0, None)
    network = TlsNetwork(identity, user_timeout=table.user_timeout)
    network.trust(Trust(), {})
    host, port = network.bind(own_address(table.interface))
    cert = base64.b64encode(identity.cert_der).decode()
    overlay = Overlay(broker, Topology((-1,)), network, table, os.urandom(16).hex())
    broker.cards = {
        0: {"rank": 0, "hostname": broker.attrs["hostname"], "host": host, "port": port, "cert": cert}
    }
    try:
        await broker.join(overlay)
    except BaseException:
        network.unbind()
        raise
    return overlay


def _network(overlay: Overlay) -> TlsNetwork:
    from bourn.broker.overlay.tls import TlsNetwork

    assert isinstance(overlay.network, TlsNetwork)
    return overlay.network
