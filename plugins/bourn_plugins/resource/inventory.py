"""What an instance has and which of it may be used, as a plain object fed by the resource eventlog (RFC 44).

Replaying the eventlog gives the same inventory, but for who is online: that is found out anew at each start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.model.event import Event
    from bourn.model.rset import ResourceSet


@frozen
class Drained:
    """Why a rank takes no new jobs, and since when (seconds since the epoch)."""

    since: float
    reason: str


@define
class Inventory:
    """The resource set R with the state of each rank."""

    rset: ResourceSet
    exclude: IdSet = field(factory=IdSet)
    online: IdSet = field(factory=IdSet)
    drained: dict[int, Drained] = field(factory=dict)
    closed: IdSet = field(factory=IdSet)
    """The ranks that were set down, alone or with what they lie in."""
    updates: list[list[dict[str, Any]]] = field(factory=list)
    """What has changed since `base` was described; a scheduler makes these changes again when it starts."""
    base: ResourceSet = field(init=False)
    """R as it was described."""

    def __attrs_post_init__(self) -> None:
        self.base = self.rset

    @property
    def ranks(self) -> IdSet:
        """All ranks of R but those excluded by configuration."""
        return self.rset.ranks - self.exclude

    @property
    def up(self) -> IdSet:
        """The ranks that take jobs: online, not drained, not set down, not excluded."""
        return (self.online & self.ranks) - IdSet(self.drained) - self.closed

    def apply(self, event: Event) -> None:
        """Take one event of the resource eventlog; names it doesn't know are ignored (RFC 44)."""
        context = event.context
        match event.name:
            case "drain":
                for rank in IdSet(context["idset"]):
                    # Without `overwrite` the first reason stands: it is the one to be looked into.
                    if rank not in self.drained or context.get("overwrite"):
                        self.drained[rank] = Drained(event.timestamp, context.get("reason", ""))
            case "undrain":
                for rank in IdSet(context["idset"]):
                    self.drained.pop(rank, None)
            case "online":
                self.online |= IdSet(context["idset"])
            case "offline":
                self.online -= IdSet(context["idset"])
            case "graph-update":
                self._update(context)
            case "restart":
                self.online = IdSet(context.get("online", ""))

    def _update(self, context: Mapping[str, Any]) -> None:
        """Take an update of the graph: the ranks that it touches have what it says, from now on."""
        from bourn.model.rset import ResourceSet

        self.updates.append(context["changes"])
        self.closed = IdSet(context["down"])
        rset = self.rset.copy_ranks(self.rset.ranks - IdSet(context["ranks"]))
        self.rset = rset.union(ResourceSet.from_dict(context["R"])) if context["R"] else rset
        self.online &= self.rset.ranks
        for rank in IdSet(self.drained) - self.rset.ranks:
            del self.drained[rank]

    def describe(self, rset: ResourceSet, log: Iterable[Event]) -> None:
        """Take another description; the updates in the eventlog are made on top of it."""
        self.base = self.rset = rset
        self.updates = []
        for event in log:
            if event.name == "graph-update":
                self._update(event.context)

    def define(self, rset: ResourceSet, log: Iterable[Event]) -> None:
        """Take what was found of ranks, in place of what was known of them."""
        from bourn_plugins.resource.discovery import replaced

        self.describe(replaced(self.base, rset), log if self.updates else ())

    def targets(self, text: str) -> IdSet:
        """Return the ranks that an idset or a list of hosts means.

        Raises BournError that names what isn't there.
        """
        if text[:1].isdigit() or text[:1] == "[":
            ranks = IdSet(text)
            unknown = ranks - self.rset.ranks
            if unknown:
                raise BournError(f"rank {unknown} is not among the resources; there are: {self.rset.ranks}")
            return ranks
        from bourn.model.hostlist import Hostlist

        found: set[int] = set()
        by_host: dict[str, list[int]] = {}
        for rank in self.rset.ranks:
            by_host.setdefault(self.rset.hostname(rank), []).append(rank)
        for host in Hostlist(text):
            if host not in by_host:
                raise BournError(f"host '{host}' is not among the resources; there are: {self.rset.nodelist}")
            found.update(by_host[host])
        return IdSet(found)

    def drain_context(self, ranks: IdSet, reason: str, mode: str) -> dict[str, Any]:
        """Return the context of a `drain` event.

        `mode` is "" (drained already is an error), "update" (only those not drained yet) or "overwrite".
        """
        if mode not in ("", "update", "overwrite"):
            raise BournError(f"drain: mode '{mode}' is unknown; there are: overwrite, update")
        already = ranks & IdSet(self.drained)
        if already and not mode:
            raise BournError(f"rank {already} is drained already; use --update or --force to change that")
        chosen = ranks - already if mode == "update" else ranks
        context: dict[str, Any] = {"idset": str(chosen), "nodelist": self.hosts(chosen), "reason": reason}
        if mode == "overwrite":
            context["overwrite"] = 1
        return context

    def undrain_context(self, ranks: IdSet) -> dict[str, Any]:
        """Return the context of an `undrain` event; a rank that isn't drained is an error."""
        wrong = ranks - IdSet(self.drained)
        if wrong:
            raise BournError(f"rank {wrong} is not drained")
        return {"idset": str(ranks), "nodelist": self.hosts(ranks)}

    def hosts(self, ranks: IdSet) -> str:
        """Return the host list of some ranks."""
        from bourn.model.hostlist import Hostlist

        return str(Hostlist([self.rset.hostname(rank) for rank in ranks & self.rset.ranks]))
