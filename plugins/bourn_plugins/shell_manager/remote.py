"""Shell hosts of other ranks: rank 0 speaks to them as to its own, by way of their rank's shell-manager.

What travels is what travels between a shell-manager and its host (`bourn.shell.wire`), a batch or a report a
message.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.errors import RPCError
from bourn.shell.wire import FromHost, ToHost
from bourn_plugins.shell_manager.link import HostLink

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Request


class RemoteLink:
    """Rank 0's side: as `HostLink`, over the overlay."""

    def __init__(self, ctx: ModuleContext, rank: int, userid: int) -> None:
        self._ctx = ctx
        self._rank = rank
        self._userid = userid
        self._scope = trio.CancelScope()
        self.closed = False
        self.ended = trio.Event()
        self.reason = ""
        """Why it ended."""
        self.node_lost = False
        """Whether the rank itself couldn't be reached."""
        self._early: list[ToHost] | None = []
        """Batches from before the host was asked for."""

    def send(self, batch: ToHost) -> None:
        """Send a batch."""
        if self._early is not None:
            self._early.append(batch)
        elif not self.closed:
            payload = {"userid": self._userid, "batch": batch}
            self._ctx.post("shell-manager.relay-send", payload, nodeid=self._rank)

    def close(self) -> None:
        """Let the host go, which ends it."""
        self.closed = True
        self._scope.cancel()

    async def run(self, received: Callable[[FromHost], None]) -> None:
        """Serve until the host, its rank, or the way there is gone."""
        self.reason = f"the shell host of user {self._userid} on rank {self._rank} ended"
        try:
            with self._scope:
                async with self._ctx.stream(
                    "shell-manager.relay", {"userid": self._userid}, nodeid=self._rank
                ) as stream:
                    early, self._early = self._early or [], None
                    for batch in early:
                        self.send(batch)
                    async for report in stream:
                        received(msgspec.convert(report, FromHost))
        except RPCError as error:
            self.node_lost = error.errnum == errno.EHOSTUNREACH
            self.reason = f"rank {self._rank}: {error.message}"
            if self.node_lost:
                self.reason = f"rank {self._rank} was lost"
        except msgspec.ValidationError as error:
            self.reason = f"rank {self._rank} sent a report that is none: {error}"
        finally:
            self.closed = True
            self.ended.set()


class Relay:
    """The other side: a host of this rank, and the stream that its reports go to."""

    def __init__(self, request: Request, userid: int, pid: int, sock: socket.socket) -> None:
        self.request = request
        self.userid = userid
        self.pid = pid
        self.ending = False
        """Whether the host was told to end."""
        self.link = HostLink(sock)

    def send(self, batch: dict[str, Any], uri: str) -> None:
        """Hand a batch to the host; the tasks' instance has its address on this rank."""
        if "uri" in batch:
            batch["uri"] = uri
        self.ending = self.ending or bool(batch.get("end"))
        self.link.send(batch)

    def received(self, report: FromHost) -> None:
        """Pass a report on."""
        self.request.respond(report)
