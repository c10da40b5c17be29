"""From a boot session to an overlay: a broker's certificate and address against those of the others."""

from __future__ import annotations

import base64
import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bourn.broker.overlay.certs import load_authority, make_identity
from bourn.broker.overlay.overlay import Overlay
from bourn.broker.overlay.tls import TlsNetwork, Trust
from bourn.broker.overlay.topology import parse_topology
from bourn.broker.settings import TbonTable
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.broker.broker import Broker
    from bourn.broker.overlay.topology import Topology
    from bourn.hookspecs.boot import BootSession

INSTANCE = "instance-id"
"""Session attribute: what all brokers of the instance have in common, and no others."""
TOPOLOGY = "tbon.topo"
"""Session attribute: the shape of the tree, where the boot method knows it; else `[tbon] topology`."""
BIND = "tbon.bind"
"""Session attribute: HOST:PORT to listen at; port 0: any."""
AUTHORITY = "tbon.authority"
"""Session attribute: the file of the instance's authority; without it the cards carry certificates."""


async def build_overlay(broker: Broker, session: BootSession) -> Overlay:
    """Exchange cards with the other brokers and return the overlay, which isn't running yet.

    A card is `{rank, hostname, host, port, cert, R}`: where the broker listens, its certificate (DER, base64;
    "" with an authority), and the resources of its machine. Raises BournError.
    """
    rank, attributes = session.rank, session.attributes
    table = broker.config.table("tbon", TbonTable)
    topology = parse_topology(attributes.get(TOPOLOGY) or table.topology, session.size)
    path = attributes.get(AUTHORITY)
    authority = load_authority(Path(path)) if path else None
    identity = make_identity(rank, authority)
    network = TlsNetwork(identity, user_timeout=table.user_timeout)
    card: dict[str, Any] = {
        "rank": rank,
        "hostname": broker.attrs.get("hostname") or socket.gethostname(),
        "cert": "" if authority else base64.b64encode(identity.cert_der).decode(),
        "R": machine_resources(broker),
    }
    if topology.children[rank]:
        host, _, port = attributes.get(BIND, "").rpartition(":")
        card["host"], card["port"] = network.bind(host.strip("[]") or "127.0.0.1", int(port or 0))
    look_up = await session.exchange(card)
    relatives = {other: look_up(other) for other in _relatives(topology, rank)}
    if authority is not None:
        trust = Trust(authority=authority.cert_pem)
    else:
        trust = Trust({other: base64.b64decode(found["cert"]) for other, found in relatives.items()})
    network.trust(trust, {r: (c["host"], c["port"]) for r, c in relatives.items() if "port" in c})
    if rank == 0:
        broker.cards = {**relatives, 0: card}
    for name, value in (
        (TOPOLOGY, topology.name),
        ("tbon.level", topology.level(rank)),
        ("tbon.maxlevel", topology.depth()),
        ("tbon.descendants", sum(1 for _ in topology.subtree(rank)) - 1),
        ("tbon.fingerprint", identity.fingerprint),
    ):
        broker.attrs.set(name, value, fixed=True)
    return Overlay(broker, topology, network, table, attributes.get(INSTANCE, ""))


def machine_resources(broker: Broker) -> Mapping[str, Any] | None:
    """Return the R of this machine, if a plugin can tell and the configuration doesn't."""
    table: Any = broker.config.raw.get("resource") or {}
    if table.get("config") or table.get("path"):
        return None
    for _, reader in broker.plugins.collect("bourn_resource_readers"):
        if reader.name == "machine":
            return reader.read(b"", {}).R  # type: ignore[no-any-return]
    return None


def _relatives(topology: Topology, rank: int) -> set[int]:
    """Return whom a rank may ever have a link with: those above and those below."""
    return {*topology.ancestors(rank), *topology.subtree(rank)} - {rank}


def missing_card(rank: int) -> BournError:
    """Return the error of a look-up that finds nothing."""
    return BournError(f"nothing is known of rank {rank}", errno.ENOENT)
