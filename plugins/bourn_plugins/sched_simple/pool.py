"""What is free, node by node: first fit and best fit over bit masks.

A plain object without I/O. A core or GPU index is a bit of a Python int, so taking and
giving back are a few integer operations however many cores a node has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import define, field, frozen

from bourn.model.bits import lowest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Fit = Literal["first", "best"]


@frozen(slots=True)
class Ask:
    """What a job wants of a pool: `slots` slots of `cores` cores and `gpus` GPUs each.

    `nodes` is None where the slots may lie anywhere, else the exact number of nodes, each with
    `slots // nodes` of them. `exclusive` takes whole idle nodes. `where` accepts a node, or is None.
    """

    slots: int
    cores: int
    gpus: int = 0
    nodes: int | None = None
    exclusive: bool = False
    where: Callable[[Node], bool] | None = None

    @property
    def slots_per_node(self) -> int:
        """Slots on each node, rounded up, when nodes are asked for."""
        return -(-self.slots // self.nodes) if self.nodes else self.slots


@define(slots=True)
class Node:
    """One node: the masks of all its cores and GPUs, and of those that are free."""

    rank: int
    host: str
    cores: int
    gpus: int
    properties: frozenset[str] = frozenset()
    free_cores: int = field(init=False)
    free_gpus: int = field(init=False)
    up: bool = False

    def __attrs_post_init__(self) -> None:
        self.free_cores = self.cores
        self.free_gpus = self.gpus

    @property
    def idle(self) -> bool:
        """True when nothing of the node is allocated."""
        return self.free_cores == self.cores and self.free_gpus == self.gpus

    def room(self, ask: Ask, *, empty: bool = False) -> int:
        """How many slots of `ask` fit in what is free, or would fit if the node were `empty`."""
        cores = self.cores if empty else self.free_cores
        gpus = self.gpus if empty else self.free_gpus
        if ask.exclusive and not empty and not self.idle:
            return 0
        room = cores.bit_count() // ask.cores if ask.cores else ask.slots
        return min(room, gpus.bit_count() // ask.gpus) if ask.gpus else room


@frozen(slots=True)
class Share:
    """A job's part of one node: masks of cores and GPUs."""

    rank: int
    cores: int
    gpus: int


class Pool:
    """The nodes of an instance and what is free on them."""

    def __init__(self, nodes: Iterable[Node], fit: Fit = "first") -> None:
        self.nodes: dict[int, Node] = {node.rank: node for node in sorted(nodes, key=lambda n: n.rank)}
        self.fit: Fit = fit
        self._held: dict[int, tuple[Share, ...]] = {}
        # Ranks that are up and have a free core: the only ones that an allocation looks at.
        self._open: int = 0

    def set_up(self, ranks: Iterable[int], up: bool) -> None:
        """Mark nodes up or down; what is allocated on them stays so until it is freed."""
        for rank in ranks:
            node = self.nodes.get(rank)
            if node is not None:
                node.up = up
                self._note(node)

    def held(self) -> dict[int, tuple[Share, ...]]:
        """Return what each job holds, by job id."""
        return dict(self._held)

    def allocate(self, jobid: int, ask: Ask) -> tuple[Share, ...] | None:
        """Take what `ask` wants for `jobid`; None, with nothing changed, when it doesn't fit now."""
        chosen = self._choose(ask)
        if chosen is None:
            return None
        shares = []
        for node, slots in chosen:
            if ask.exclusive:
                share = Share(node.rank, node.cores, node.gpus)
            else:
                share = Share(
                    node.rank,
                    lowest(node.free_cores, slots * ask.cores),
                    lowest(node.free_gpus, slots * ask.gpus),
                )
            self._take(node, share)
            shares.append(share)
        shares.sort(key=lambda share: share.rank)
        self._held[jobid] = result = tuple(shares)
        return result

    def claim(self, jobid: int, shares: Iterable[Share]) -> None:
        """Take exactly these shares, as a running job found at start holds them.

        Raises ValueError when a node isn't there or something is taken already.
        """
        shares = tuple(shares)
        for share in shares:
            node = self.nodes.get(share.rank)
            if node is None:
                raise ValueError(f"rank {share.rank} is not among the resources")
            if share.cores & ~node.free_cores or share.gpus & ~node.free_gpus:
                raise ValueError(f"resources of rank {share.rank} ({node.host}) are not free")
        for share in shares:
            self._take(self.nodes[share.rank], share)
        self._held[jobid] = shares

    def free(self, jobid: int, ranks: Iterable[int] | None = None) -> None:
        """Give back what `jobid` holds: all, or only what it holds on `ranks`."""
        shares = self._held.pop(jobid, ())
        wanted = None if ranks is None else set(ranks)
        kept = []
        for share in shares:
            if wanted is not None and share.rank not in wanted:
                kept.append(share)
                continue
            node = self.nodes.get(share.rank)
            if node is not None:
                node.free_cores |= share.cores & node.cores
                node.free_gpus |= share.gpus & node.gpus
                self._note(node)
        if kept:
            self._held[jobid] = tuple(kept)

    def why_never(self, ask: Ask) -> str | None:
        """Say why `ask` can't fit even in an idle instance, or None when it can."""
        nodes = [node for node in self.nodes.values() if ask.where is None or ask.where(node)]
        total = len(self.nodes)
        if not nodes:
            return "no node satisfies the constraint" if total else "the instance has no resources"
        if ask.nodes is not None and ask.nodes > len(nodes):
            which = "the instance has" if len(nodes) == total else "those that satisfy the constraint are"
            return f"needs {ask.nodes} node{'s' * (ask.nodes != 1)}, {which} {len(nodes)}"
        for name, wanted, most, all_of_it in (
            (
                "core",
                ask.cores,
                max(n.cores.bit_count() for n in nodes),
                sum(n.cores.bit_count() for n in nodes),
            ),
            ("gpu", ask.gpus, max(n.gpus.bit_count() for n in nodes), sum(n.gpus.bit_count() for n in nodes)),
        ):
            if not wanted:
                continue
            if ask.nodes and wanted * ask.slots_per_node > most:
                return f"needs {wanted * ask.slots_per_node} {name}s on a node, the largest has {most}"
            if wanted > most:
                return f"needs {wanted} {name}s in a slot, the largest node has {most}"
            if wanted * ask.slots > all_of_it:
                return f"needs {wanted * ask.slots} {name}s, the instance has {all_of_it}"
        rooms = [node.room(ask, empty=True) for node in nodes]
        if ask.nodes is not None:
            fitting = sum(room >= ask.slots_per_node for room in rooms)
            if fitting < ask.nodes:
                return (
                    f"needs {ask.nodes} nodes with {ask.slots_per_node} such slots each, {fitting} have them"
                )
        elif sum(rooms) < ask.slots:
            return f"needs {ask.slots} slots of {ask.cores} cores and {ask.gpus} gpus, {sum(rooms)} fit"
        return None

    def why_not_now(self, ask: Ask) -> str:
        """Say in a few words what a feasible `ask` waits for."""
        up = [n for n in self.nodes.values() if n.up and (ask.where is None or ask.where(n))]
        if ask.exclusive:
            return f"needs {ask.nodes or 1} idle nodes; {sum(n.idle for n in up)} are"
        if ask.nodes is not None:
            have = sum(n.room(ask) >= ask.slots_per_node for n in up)
            return (
                f"needs {ask.nodes} nodes with {ask.slots_per_node * ask.cores} free cores; {have} have them"
            )
        cores = sum(n.free_cores.bit_count() for n in up)
        if cores < ask.slots * ask.cores:
            return f"needs {ask.slots * ask.cores} cores; {cores} are free"
        return f"needs {ask.slots} slots; {sum(n.room(ask) for n in up)} are free"

    def _choose(self, ask: Ask) -> list[tuple[Node, int]] | None:
        """Pick nodes and the number of slots on each, or None."""
        if ask.nodes is not None:
            each = ask.slots_per_node
            fitting = [node for node in self._candidates(ask) if node.room(ask) >= each]
            return [(node, each) for node in fitting[: ask.nodes]] if len(fitting) >= ask.nodes else None
        chosen = []
        left = ask.slots
        for node in self._candidates(ask):
            slots = min(node.room(ask), left)
            if slots:
                chosen.append((node, slots))
                left -= slots
                if not left:
                    return chosen
        return None

    def _candidates(self, ask: Ask) -> Iterator[Node] | list[Node]:
        """Open nodes in the order of the fit: by rank, or fullest first."""
        if self.fit == "best":
            return sorted(self._open_nodes(ask), key=lambda n: (n.free_cores.bit_count(), n.rank))
        return self._open_nodes(ask)

    def _open_nodes(self, ask: Ask) -> Iterator[Node]:
        mask = self._open
        while mask:
            bit = mask & -mask
            mask ^= bit
            node = self.nodes[bit.bit_length() - 1]
            if ask.where is None or ask.where(node):
                yield node

    def _take(self, node: Node, share: Share) -> None:
        node.free_cores &= ~share.cores
        node.free_gpus &= ~share.gpus
        self._note(node)

    def _note(self, node: Node) -> None:
        bit = 1 << node.rank
        if node.up and node.free_cores:
            self._open |= bit
        else:
            self._open &= ~bit
