"""From a boot session to an overlay: a broker's certificate and address against those of the others."""

from __future__ import annotations

import base64
import errno
import logging
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.members import Members
from bourn.broker.overlay.certs import load_authority, make_identity
from bourn.broker.overlay.interface import own_address
from bourn.broker.overlay.machines import Machine
from bourn.broker.overlay.overlay import Overlay
from bourn.broker.overlay.tls import TlsNetwork, Trust
from bourn.broker.overlay.topology import parse_topology
from bourn.broker.settings import TbonTable
from bourn.errors import BournError
from bourn.model.hostlist import Hostlist
from bourn.model.idset import parse_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.broker.broker import Broker
    from bourn.broker.overlay.topology import Topology
    from bourn.hookspecs.boot import BootSession

log = logging.getLogger("bourn.broker")

INSTANCE = "instance-id"
"""Session attribute: what all brokers of the instance have in common, and no others."""
TOPOLOGY = "tbon.topo"
"""Session attribute: the shape of the tree, where the boot method knows it; else `[tbon] topology`."""
BIND = "tbon.bind"
"""Session attribute: HOST:PORT to listen at; port 0: any. Without it the address by which others reach us."""
AUTHORITY = "tbon.authority"
"""Session attribute: the file of the instance's authority; without it the cards carry certificates."""
TOGETHER = "boot.together"
"""Session attribute, "1": one launcher started all brokers and ends them as one. A signal to any of them is a
signal to rank 0, and a broker that has lost all above doesn't wait for them to be started again."""
HOSTS_STAY = "boot.hosts-stay"
"""Session attribute, "1": a rank is the same host whenever it is started, so that what was found there before
is what it should have. Without it the ranks may be other hosts when the instance is started again."""
READER = "machine"
"""The resource reader that looks at the machine."""
REJOIN_SECONDS = 5.0
"""How long brokers of one launcher look for another ancestor when they have lost their parent."""


async def build_overlay(
    broker: Broker, session: BootSession, more: Mapping[str, Any] | None = None
) -> Overlay:
    """Exchange cards with the other brokers and return the overlay, which isn't running yet.

    A card is `{rank, hostname, host, port, cert}`, and what `more` adds: where the broker listens, and its
    certificate (DER, base64; "" with an authority).
    Raises groups of BournError.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_give_up, broker)
        overlay = await _build(broker, session, dict(more or {}))
        nursery.cancel_scope.cancel()
    return overlay


async def _build(broker: Broker, session: BootSession, more: dict[str, Any]) -> Overlay:
    rank = session.rank
    topology = shape_of(broker, session)
    network = network_of(broker, session.attributes)
    card: dict[str, Any] = {
        "rank": rank,
        "hostname": broker.attrs["hostname"],
        "cert": network.cert,
        **more,
    }
    try:
        if topology.children[rank]:
            card |= network.card()
        relatives = await session.exchange(card, _relatives(topology, rank))
    except BaseException:
        network.close()
        raise
    network.know(
        {other: (found["host"], found["port"]) for other, found in relatives.items() if "port" in found},
        {other: base64.b64decode(found["cert"]) for other, found in relatives.items() if found["cert"]},
    )
    hosts: Iterable[str] = ()
    if rank == 0:
        broker.cards = {**relatives, 0: card}
        given = session.attributes.get("hostlist")
        hosts = Hostlist(given) if given else [broker.cards[r]["hostname"] for r in range(session.size)]
    broker.become(
        Members(topology, session.attributes.get(INSTANCE, ""), tuple(hosts), first_version(broker))
    )
    overlay = overlay_of(broker, network)
    if TOGETHER in session.attributes:
        overlay.uplink.rejoin_timeout = min(REJOIN_SECONDS, overlay.uplink.rejoin_timeout)
    return overlay


def shape_of(broker: Broker, session: BootSession) -> Topology:
    """Return the tree of a session's brokers."""
    table = broker.config.table("tbon", TbonTable)
    return parse_topology(session.attributes.get(TOPOLOGY) or table.topology, session.size)


def network_of(broker: Broker, attributes: Mapping[str, str]) -> TlsNetwork:
    """Return what links a broker with others, by what a session says of it."""
    table = broker.config.table("tbon", TbonTable)
    path = attributes.get(AUTHORITY)
    authority = load_authority(Path(path)) if path else None
    identity = make_identity(broker.rank, authority)
    broker.attrs.renew("tbon.fingerprint", identity.fingerprint)
    host, _, port = attributes.get(BIND, "").rpartition(":")
    return TlsNetwork(
        identity,
        Trust(authority=None if authority is None else authority.cert_pem),
        lambda: (host.strip("[]") or own_address(table.interface), int(port or 0)),
        user_timeout=table.user_timeout,
    )


def overlay_of(broker: Broker, network: TlsNetwork) -> Overlay:
    """Return the overlay of a broker, by which others hear of its machine."""
    overlay = Overlay(broker, network, broker.config.table("tbon", TbonTable))
    overlay.machines.note(broker.rank, look(broker))
    return overlay


def first_version(broker: Broker) -> tuple[int, int]:
    """Return the version of what a broker knows of the members at first; see `Members.version`."""
    return (0, 0) if broker.rank else (int(time() * 1000), 0)


async def _give_up(broker: Broker) -> None:
    await broker.stopping.wait()
    raise BournError(f"stopped before all brokers were up: {broker.stop_reason}", errno.EINTR)


def look(broker: Broker) -> Machine:
    """Return what this machine has, by the name that the instance has for it, or why nobody knows."""
    host = broker.attrs["hostname"]
    readers = {reader.name: reader for _, reader in broker.plugins.collect("bourn_resource_readers")}
    try:
        if READER not in readers:
            raise BournError(f"the resource reader '{READER}' is disabled there")
        R = readers[READER].read(b"", {}).R
        (entry,) = R["execution"]["R_lite"]
        cores, gpus = (parse_mask(entry["children"].get(kind, "")) for kind in ("core", "gpu"))
    except BournError as error:
        return Machine(host, error=error.message)
    except Exception as error:
        log.error("the resource reader '%s' failed", READER, exc_info=error)
        return Machine(host, error=f"the resource reader '{READER}' failed: {type(error).__name__}: {error}")
    return Machine(host, cores, gpus)


def _relatives(topology: Topology, rank: int) -> set[int]:
    """Return whom a rank may ever have a link with: those above and those below."""
    return {*topology.ancestors(rank), *topology.subtree(rank)} - {rank}
