"""What the shell-manager knows of one shell host: who it is, what it has, and what it hasn't confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from bourn.shell.wire import ToHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bourn.shell.wire import Stdin
    from bourn_plugins.shell_manager.link import HostLink
    from bourn_plugins.shell_manager.outbox import Outbox
    from bourn_plugins.shell_manager.process import HostProcess
    from bourn_plugins.shell_manager.remote import RemoteLink


class Host:
    """A shell host and the jobs it has."""

    def __init__(self, rank: int, userid: int, outbox: Outbox) -> None:
        self.rank = rank
        self.userid = userid
        self.process: HostProcess | None = None
        """Of our own rank; None until a host that was found has said who it is."""
        self.pid = 0
        self.name = ""
        self.outbox = outbox
        self.link: HostLink | RemoteLink | None = None
        self.jobs: set[int] = set()
        self.waiting: set[int] = set()
        """Those that are held until all their nodes are ready."""
        self.ready: set[int] = set()
        """Those of them that are ready here."""
        self.sought = False
        """Whether it may have jobs of before, which its next greeting tells."""
        self.heard = 0
        """Number of the last report that was taken."""
        self.inputs: dict[int, tuple[Stdin, Callable[[], None]]] = {}
        """Input that hasn't been taken, by serial number, and what to call then."""
        self.asked: dict[int, list[Callable[[list[tuple[int, int]]], None]]] = {}
        """Who wants to know the processes of a job."""
        self.orders: dict[int, ToHost] = {}
        """What was sent and told only once, signals above all, by serial number; until it is confirmed."""
        self.confirms = True
        """Whether it confirms them. One that an older Bourn has started doesn't."""
        self.greeted = trio.Event()
        self.ending = False

    def note(self, batch: ToHost, serials: Iterator[int]) -> None:
        """Keep what of a batch would be lost with its rank's broker: what it starts is asked after anyhow."""
        if self.confirms and (batch.kill or batch.expire or batch.resize or batch.fenced or batch.peers):
            batch.serial = next(serials)
            self.orders[batch.serial] = ToHost(
                serial=batch.serial,
                kill=batch.kill,
                expire=batch.expire,
                resize=batch.resize,
                fenced=batch.fenced,
                peers=batch.peers,
            )

    def confirmed(self, serial: int) -> None:
        """Note that the host has taken input, or a batch."""
        if found := self.inputs.pop(serial, None):
            found[1]()
        else:
            self.orders.pop(serial, None)

    def inherit(self, before: Host) -> None:
        """Take over, for jobs that were handed to this host anew, what the one before it hasn't confirmed."""
        for serial, (data, taken) in before.inputs.items():
            if data.id in self.jobs:
                self.inputs[serial] = (data, taken)
                self.outbox.stdin(data)
        for order in before.orders.values():
            for id, signum in order.kill:
                if id in self.jobs:
                    self.outbox.kill(id, signum)
            for id, ranks, rows, columns in order.resize:
                if id in self.jobs:
                    self.outbox.resize(id, ranks, rows, columns)
