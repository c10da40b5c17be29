"""Shell hosts of other ranks: rank 0 speaks to them as to its own, by way of their rank's shell-manager.

What travels is what travels between a shell-manager and its host (`bourn.shell.wire`), a batch or a report a
message.
"""

from __future__ import annotations

import errno
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.errors import RPCError
from bourn.shell.wire import FromHost, ToHost
from bourn_plugins.shell_manager.process import HostProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Request
    from bourn_plugins.shell_manager.link import HostLink

_AWAY = (errno.EHOSTUNREACH, errno.ENOSYS, errno.EAGAIN, errno.EBUSY)
"""Errors that pass: the rank isn't linked, isn't up yet, or hasn't noticed yet that we were gone."""
RETRY = 0.25
"""Seconds between attempts to reach a rank that may come back."""


class RemoteLink:
    """Rank 0's side: as `HostLink`, over the overlay.

    With `patience`, a rank that can't be reached has so many seconds to come back with its host; then
    `renewed` is called, and what was sent meanwhile is dropped.
    """

    def __init__(
        self,
        ctx: ModuleContext,
        rank: int,
        userid: int,
        *,
        find: bool = False,
        patience: float = 0.0,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._ctx = ctx
        self._rank = rank
        self._userid = userid
        self._find = find
        self._patience = patience
        self._renewed = renewed
        self._scope = trio.CancelScope()
        self.closed = False
        self.ended = trio.Event()
        self.reason = ""
        """Why it ended."""
        self.node_lost = False
        """Whether the rank itself couldn't be reached."""
        self.missing = False
        """Whether a host was looked for, and there is none."""
        self._linked = False
        self._deadline = -inf
        self._early: list[ToHost] | None = []
        """Batches from before the host was asked for."""

    def send(self, batch: ToHost) -> None:
        """Send a batch; while the rank is away it is lost."""
        if self._early is not None:
            self._early.append(batch)
        elif self._linked and not self.closed:
            payload = {"userid": self._userid, "batch": batch}
            self._ctx.post("shell-manager.relay-send", payload, nodeid=self._rank)

    def close(self) -> None:
        """Let the host go, which ends it unless hosts outlive their brokers."""
        self.closed = True
        self._scope.cancel()

    async def run(self, received: Callable[[FromHost], None]) -> None:
        """Serve until the host, its rank, or the way there is gone for good."""
        self.reason = f"the shell host of user {self._userid} on rank {self._rank} ended"
        try:
            with self._scope:
                while not await self._attempt(received):  # noqa: ASYNC110  it returns when a link has ended
                    await trio.sleep(RETRY)
        finally:
            self.closed = True
            self.ended.set()

    async def _attempt(self, received: Callable[[FromHost], None]) -> bool:
        """Serve one link to the host; return whether it was the last."""
        payload = {"userid": self._userid, "find": self._find}
        try:
            async with self._ctx.stream("shell-manager.relay", payload, nodeid=self._rank) as stream:
                async for report in stream:
                    if not self._linked:
                        self._greet()
                    received(msgspec.convert(report, FromHost))
        except RPCError as error:
            self._linked = False
            return self._over(error)
        except msgspec.ValidationError as error:
            self.reason = f"rank {self._rank} sent a report that is none: {error}"
        return True

    def _greet(self) -> None:
        """The rank has said that a host is there."""
        self._linked = self._find = True
        self._deadline = -inf
        if self._early is None:
            self._renewed()
            return
        early, self._early = self._early, None
        for batch in early:
            self.send(batch)

    def _over(self, error: RPCError) -> bool:
        if error.errnum in _AWAY and self._patience:
            now = trio.current_time()
            if self._deadline == -inf:
                self._deadline = now + self._patience
                if self._find:
                    text = "user %d's shell host on rank %d can't be reached; it has %.0f s to come back: %s"
                    self._ctx.log.warning(text, self._userid, self._rank, self._patience, error.message)
            if now < self._deadline:
                return False
        self.node_lost = error.errnum == errno.EHOSTUNREACH
        self.missing = error.errnum == errno.ENOENT
        self.reason = f"rank {self._rank}: {error.message}"
        if self.node_lost:
            self.reason = f"rank {self._rank} was lost"
        return True


class Relay:
    """The other side: a host of this rank, and the stream that its reports go to."""

    def __init__(self, request: Request, userid: int, process: HostProcess | None, link: HostLink) -> None:
        self.request = request
        self.userid = userid
        self.process = process
        """None until a host that was found has said who it is."""
        self.known = False
        """Whether it has said anything."""
        self.ending = False
        """Whether it was told to end."""
        self.link = link

    def send(self, batch: dict[str, Any], uri: str) -> None:
        """Hand a batch to the host; the tasks' instance has its address on this rank."""
        if "uri" in batch:
            batch["uri"] = uri
        self.ending = self.ending or bool(batch.get("end"))
        self.link.send(batch)

    def opened(self) -> None:
        """Say that there is a host; what it says itself follows its first batch."""
        self.request.respond(FromHost())

    def received(self, report: FromHost) -> None:
        """Pass a report on."""
        self.known = True
        if report.jobs is not None and self.process is None:
            self.process = HostProcess.of(report.pid, report.host)
        if not report.pong:
            self.request.respond(report)
