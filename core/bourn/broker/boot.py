"""From a boot session to an overlay: a broker's certificate and address against those of the others."""

from __future__ import annotations

import base64
import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.growth import growth_of
from bourn.broker.overlay.certs import load_authority, make_identity
from bourn.broker.overlay.interface import own_address
from bourn.broker.overlay.machines import Machine
from bourn.broker.overlay.overlay import Overlay
from bourn.broker.overlay.tls import TlsNetwork, Trust
from bourn.broker.overlay.topology import parse_topology
from bourn.broker.settings import TbonTable
from bourn.errors import BournError
from bourn.model.idset import parse_mask

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
"""Session attribute: HOST:PORT to listen at; port 0: any. Without it the address by which others reach us."""
AUTHORITY = "tbon.authority"
"""Session attribute: the file of the instance's authority; without it the cards carry certificates."""
TOGETHER = "boot.together"
"""Session attribute, "1": one launcher started all brokers and ends them as one. A signal to any of them is a
signal to rank 0, and a broker that has lost all above doesn't wait for them to be started again."""
REJOIN_SECONDS = 5.0
"""How long brokers of one launcher look for another ancestor when they have lost their parent."""


async def build_overlay(
    broker: Broker, session: BootSession, more: Mapping[str, Any] | None = None
) -> Overlay:
    """Exchange cards with the other brokers and return the overlay, which isn't running yet.

    A card is `{rank, hostname, host, port, cert, R}`, and what `more` adds: where the broker listens, its
    certificate (DER, base64; "" with an authority), and the resources of its machine.
    Raises groups of BournError.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_give_up, broker)
        overlay = await _build(broker, session, dict(more or {}))
        nursery.cancel_scope.cancel()
    return overlay


async def _build(broker: Broker, session: BootSession, more: dict[str, Any]) -> Overlay:
    rank = session.rank
    table = broker.config.table("tbon", TbonTable)
    topology = parse_topology(session.attributes.get(TOPOLOGY) or table.topology, session.size)
    path = session.attributes.get(AUTHORITY)
    authority = load_authority(Path(path)) if path else None
    identity = make_identity(rank, authority)
    network = TlsNetwork(identity, user_timeout=table.user_timeout)
    card: dict[str, Any] = {
        "rank": rank,
        "hostname": broker.attrs["hostname"],
        "cert": "" if authority else base64.b64encode(identity.cert_der).decode(),
        "R": (found := machine_resources(broker)),
        **more,
    }
    if topology.children[rank]:
        host, _, port = session.attributes.get(BIND, "").rpartition(":")
        card["host"], card["port"] = network.bind(
            host.strip("[]") or own_address(table.interface), int(port or 0)
        )
    relatives = await session.exchange(card, _relatives(topology, rank))
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
    overlay = Overlay(broker, topology, network, table, session.attributes.get(INSTANCE, ""))
    if found is not None:
        overlay.machines.note(rank, machine_of(broker, found))

    def listen(grown: BootSession) -> None:
        host, _, port = grown.attributes.get(BIND, "").rpartition(":")
        network.bind(host.strip("[]") or own_address(table.interface), int(port or 0))

    def shape(grown: BootSession) -> str:
        return grown.attributes.get(TOPOLOGY) or table.topology

    broker.growth = growth_of(broker, overlay, session, network, listen, shape)
    overlay.may_grow = broker.growth is not None
    if TOGETHER in session.attributes:
        overlay.rejoin_timeout = min(REJOIN_SECONDS, overlay.rejoin_timeout)
    return overlay


async def _give_up(broker: Broker) -> None:
    await broker.stopping.wait()
    raise BournError(f"stopped before all brokers were up: {broker.stop_reason}", errno.EINTR)


def machine_resources(broker: Broker) -> Mapping[str, Any] | None:
    """Return the R of this machine, if a plugin can tell and the configuration doesn't."""
    table: Any = broker.config.raw.get("resource") or {}
    if table.get("config") or table.get("path"):
        return None
    for _, reader in broker.plugins.collect("bourn_resource_readers"):
        if reader.name == "machine":
            return reader.read(b"", {}).R  # type: ignore[no-any-return]
    return None


def machine_of(broker: Broker, found: Mapping[str, Any]) -> Machine:
    """Return what an R of one machine says, under the name by which the instance knows the host."""
    (entry,) = found["execution"]["R_lite"]
    cores, gpus = (parse_mask(entry["children"].get(kind, "")) for kind in ("core", "gpu"))
    return Machine(broker.attrs["hostname"], cores, gpus)


def _relatives(topology: Topology, rank: int) -> set[int]:
    """Return whom a rank may ever have a link with: those above and those below."""
    return {*topology.ancestors(rank), *topology.subtree(rank)} - {rank}
