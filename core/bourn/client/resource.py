"""What an instance has, and what of it is up, allocated and free.

with bourn.Handle() as h:
    print(bourn.resource.resource_list(h).free.ncores)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def update(
    h: Handle, changes: Sequence[Mapping[str, Any]], *, force: bool = False, wait: bool = False
) -> dict[str, Any]:
    """Change the graph of resources while jobs run: all changes, or none of them and an RPCError.

    A change is {"op": ...} with what that takes: attach (format, content, under?), remove (path), property
    (path, set?, unset?), status (path, status), link and unlink (subsystem, source, target). What jobs hold
    can't be removed, unless `force` ends them or `wait` waits until nobody holds it. Returns {ranks, jobs}:
    the ranks (idset) that it touched, and the jobs that lost something.
    """
    payload = {"changes": list(changes), "force": force, "wait": wait}
    made: dict[str, Any] = h.rpc("resource.update", payload).get()
    return made


def attach(h: Handle, content: str, format: str, under: str = "") -> dict[str, Any]:
    """Add what a description has and the graph hasn't; with `under`, its root stands for that vertex."""
    change = {"op": "attach", "format": format, "content": content, **({"under": under} if under else {})}
    return update(h, [change])


def remove(h: Handle, path: str, *, force: bool = False, wait: bool = False) -> dict[str, Any]:
    """Take a vertex out of the graph, with all that it contains.

    With `wait` it is set down first, so that no more jobs come, and removed when nobody holds it any more.
    """
    if wait:
        set_status(h, path, "down")
    return update(h, [{"op": "remove", "path": path}], force=force, wait=wait)


def set_property(h: Handle, path: str, key: str, value: str = "") -> None:
    """Give a vertex a property."""
    update(h, [{"op": "property", "path": path, "set": {key: value}}])


def set_status(h: Handle, path: str, status: str) -> None:
    """Set a vertex, and with it all that it contains, ``up`` or ``down``: no new jobs, those there go on."""
    update(h, [{"op": "status", "path": path, "status": status}])


def vertex(h: Handle, path: str) -> dict[str, Any]:
    """Return {path, type, id, rank, size, unit, up, properties, paths, jobs, children} of a vertex of the
    graph: `up` is "up" or "down", by itself or what it lies in; `children` are names.
    """
    found: dict[str, Any] = h.rpc("sched.vertex", {"path": path}).get()
    return found


def graph(h: Handle) -> str:
    """Return the graph as a JGF document, which `attach` and ``resource-query -f jgf`` read."""
    text: str = h.rpc("sched.graph").get()["text"]
    return text


def _rset(obj: Mapping[str, Any] | None) -> ResourceSet:
    return ResourceSet.from_dict(obj) if obj else ResourceSet()
