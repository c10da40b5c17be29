"""Where R comes from: a description, the parent instance, or what brokers find of their machines."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bourn.errors import BournError
from bourn.model.rset import ResourceSet
from bourn_plugins.resource.allotment import bounded, read_allotment
from bourn_plugins.resource.describe import from_hosts, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bourn.broker.module import ModuleContext
    from bourn.broker.overlay.machines import Machine
    from bourn.config.tables import ResourceTable
    from bourn.hookspecs.resource_io import ResourceReader
    from bourn.model.event import Event
    from bourn_plugins.resource.foreign import ForeignEnd


class Described(NamedTuple):
    """R, and the part of it that was found out just now."""

    rset: ResourceSet
    new: ResourceSet | None = None


class Source:
    """Where R comes from by a configuration (`[resource]`)."""

    def __init__(self, ctx: ModuleContext, table: ResourceTable, foreign: ForeignEnd) -> None:
        self._ctx = ctx
        self._table = table
        self._foreign = foreign

    @property
    def method(self) -> str:
        """What `resource-define` calls it (RFC 44)."""
        if self._table.path:
            return f"file {self._table.path}"
        if self._table.config:
            return "configuration"
        return "dynamic-discovery" if read_allotment(self._ctx.rundir) is None else "job-info"

    @property
    def discovers(self) -> bool:
        """Whether it is what brokers find."""
        return self.method == "dynamic-discovery"

    def describe(self, events: Iterable[Event], machines: Mapping[int, Machine], *, anew: bool) -> Described:
        """Return R, which ends when the parent's job, or that of another resource manager, does.

        Args:
            events: the resource eventlog, which remembers what was found.
            machines: what brokers have found; none in an instance of one.
            anew: whether that counts also where something else was found before.
        """
        given = read_allotment(self._ctx.rundir)
        if self._table.path:
            found = Described(self.read(Path(self._table.path)))
        elif self._table.config:
            found = Described(bounded(ResourceSet.from_dict(from_hosts(self._table.config)), given))
        elif given is not None:
            found = Described(given)
        elif not machines:
            found = Described(self.machine())
        else:
            self._readers()
            from bourn_plugins.resource.discovery import remembered, replaced, to_define

            with replaying():
                known = remembered(events, self._ctx.members.ranks)
            new = to_define(known, machines, machines if anew else ())
            found = Described(replaced(known, new), new)
        if given is None and not found.rset.expiration:
            found.rset.expiration = self._foreign.first()
        return found

    def read(self, path: Path) -> ResourceSet:
        """Return the R of a file, a part of what the parent gave."""
        rset = ResourceSet.from_dict(read_file(path, self._table.reader, self._readers()))
        return bounded(rset, read_allotment(self._ctx.rundir))

    def machine(self) -> ResourceSet:
        """Look at this machine."""
        R = self._readers()["machine"].read(b"", {}).R
        assert R is not None
        R["execution"]["nodelist"] = [self._ctx.attrs["hostname"]]
        return ResourceSet.from_dict(R)

    def _readers(self) -> dict[str, ResourceReader]:
        found = {reader.name: reader for _, reader in self._ctx.plugins.collect("bourn_resource_readers")}
        if "machine" not in found or "R" not in found:
            raise BournError(
                "the stock resource readers 'machine' and 'R' are disabled; [resource] can't do without"
            )
        return found


@contextmanager
def replaying() -> Iterator[None]:
    """Say of what is wrong with events that it is the resource eventlog."""
    try:
        yield
    except (BournError, KeyError, TypeError) as error:
        raise BournError(f"the resource eventlog is corrupt: {error}", errno.EIO) from None
