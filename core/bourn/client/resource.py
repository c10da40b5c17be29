"""What an instance has, and what of it is up, allocated and free.

with bourn.Handle() as h:
    print(bourn.resource.resource_list(h).free.ncores)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.client.handle import Handle
    from bourn.model.idset import IdSet

STATES = ("free", "allocated", "down", "up", "all")


class ResourceListing:
    """Resource sets by state; each has nnodes, ncores, ngpus, nodelist and ranks."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self.all = _rset(status.get("all"))
        self.down = _rset(status.get("down"))
        self.allocated = _rset(status.get("allocated"))
        self.up = self.all.diff(self.down)
        self.free = self.up.diff(self.allocated)

    def state(self, name: str) -> ResourceSet:
        """Return the set of one of `STATES`."""
        found: ResourceSet = getattr(self, name)
        return found


def resource_list(h: Handle) -> ResourceListing:
    """Ask the scheduler what it has."""
    return ResourceListing(h.rpc("sched.resource-status").get())


def resource_status(h: Handle) -> dict[str, Any]:
    """Return {R, online, offline, exclude, up, drain:[{ranks, timestamp, reason}]}; ranks are idsets."""
    status: dict[str, Any] = h.rpc("resource.status").get()
    return status


def drain(h: Handle, targets: str | IdSet, reason: str = "", mode: str = "") -> None:
    """Take ranks (idset) or hosts (hostlist) out of service for new jobs; `mode` is update or overwrite."""
    h.rpc("resource.drain", {"targets": str(targets), "reason": reason, "mode": mode}).get()


def undrain(h: Handle, targets: str | IdSet) -> None:
    """Put ranks or hosts back into service."""
    h.rpc("resource.undrain", {"targets": str(targets)}).get()


def _rset(obj: Mapping[str, Any] | None) -> ResourceSet:
    return ResourceSet.from_dict(obj) if obj else ResourceSet()
