"""Rank 0's part in an instance that gets more brokers while it runs, or loses some for good."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from attrs import evolve

from bourn.errors import BournError, ConfigError
from bourn.hookspecs.boot import GrowingSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from bourn.broker.broker import Broker
    from bourn.broker.overlay.overlay import Overlay
    from bourn.config import Config


def plan(broker: Broker, config: Config) -> Callable[[], Awaitable[None]] | None:
    """Return what makes the instance as large as a configuration says, None where it is already.

    Raises ConfigError where the brokers of now would get other ranks, addresses or parents.
    """
    session = broker.session
    if not isinstance(session, GrowingSession):
        if _hosts(config) != _hosts(broker.config):
            raise ConfigError(
                "[bootstrap] hosts: the brokers of this instance weren't started from a list of hosts, so it "
                "gets none by another list"
            )
        return None
    longer = session.grown(config)
    if longer is None:
        return None
    from bourn.broker.boot import shape_of
    from bourn.model.hostlist import Hostlist

    tree = shape_of(broker, longer)
    hosts = list(Hostlist(longer.attributes["hostlist"]))
    broker.members.grown(tree, hosts[broker.members.next :])

    async def grow() -> None:
        overlay = broker.overlay or await _found(broker, longer.attributes)
        overlay.learn(broker.members.grown(tree, hosts[broker.members.next :]))
        broker.session = longer

    return grow


async def invite(broker: Broker) -> dict[str, Any]:
    """Return what brokers have to know that are to be the next ranks, children of rank 0.

    `{rank, instance, root}`: the first rank that is free, the instance, and where rank 0 listens. An
    instance of one broker gets its overlay by this.
    """
    if isinstance(broker.session, GrowingSession):
        raise BournError("the brokers of this instance stand in a list of hosts, which has to get longer")
    overlay = broker.overlay or await _found(broker, {"instance-id": os.urandom(16).hex()})
    members = broker.members
    return {"rank": members.next, "instance": members.instance, "root": _network(overlay).card()}


def take(broker: Broker, cards: Mapping[int, Mapping[str, Any]]) -> None:
    """Have those take part whose cards these are, the ranks after those that there are."""
    overlay, members = broker.overlay, broker.members
    ranks = sorted(cards)
    if overlay is None or ranks != list(range(members.next, members.next + len(cards))):
        raise BournError(f"the next rank is {members.next}, not {', '.join(map(str, ranks))}")
    _network(overlay).know({}, {rank: base64.b64decode(cards[rank]["cert"]) for rank in ranks})
    tree = members.topology.with_children(0, len(ranks))
    overlay.learn(members.grown(tree, [str(cards[rank]["hostname"]) for rank in ranks]))


def release(broker: Broker, ranks: Iterable[int]) -> None:
    """Have ranks leave the instance for good; their brokers end. One that has left already may again."""
    gone = [rank for rank in ranks if not broker.members.left >> rank & 1]
    if gone:
        members = broker.members.without(gone)
        assert broker.overlay is not None
        broker.overlay.learn(members)


async def _found(broker: Broker, attributes: Mapping[str, str]) -> Overlay:
    """Give an instance of one broker an overlay, of which it is the root."""
    from bourn.broker.boot import INSTANCE, first_version, network_of, overlay_of

    network = network_of(broker, attributes)
    overlay = overlay_of(broker, network)
    network.bind()
    version = first_version(broker)
    broker.become(evolve(broker.members, instance=attributes[INSTANCE], version=version))
    await broker.join(overlay)
    return overlay


def _hosts(config: Config) -> Any:
    table = config.raw.get("bootstrap")
    return table.get("hosts") if isinstance(table, dict) else None


def _network(overlay: Overlay) -> Any:
    from bourn.broker.overlay.tls import TlsNetwork

    assert isinstance(overlay.network, TlsNetwork)
    return overlay.network
