"""What the shell-manager knows of one shell host: who it is, what it has, and what it hasn't confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self.greeted = trio.Event()
        self.ending = False
