"""Shell hosts of other ranks: rank 0 speaks to them as to its own, by way of their rank's shell-manager.

What travels is what travels between a shell-manager and its host (`bourn.shell.wire`), a batch or a report a
message of a `Channel`: it survives the loss of the way between the two brokers.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.errors import RPCError
from bourn.shell.wire import FromHost, ToHost
from bourn_plugins.shell_manager.channel import Channel, Parcel

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.module import ModuleContext

_AWAY = (errno.EHOSTUNREACH, errno.ENOSYS, errno.EAGAIN, errno.EBUSY)
"""Errors that pass: the rank isn't linked, isn't up yet, or still ends a host that we have given up."""
RETRY = 0.25
"""Seconds between attempts to reach a rank that may come back."""
CLOCKS_DIFFER = 2.0
"""Seconds by which the clock of a rank may differ before its times are set right."""
_REPORT = tuple[int, int, FromHost | None]


class RemoteLink:
    """Rank 0's side: as `HostLink`, over the overlay.

    While the rank is astray (see `census.ASTRAY`) nothing is lost: what is sent waits. With `patience`, a
    rank that is gone has so many seconds to come back with its host. When its broker is another one by then,
    `renewed` is called if there still is a host, and what was sent meanwhile is dropped.
    """

    def __init__(
        self,
        ctx: ModuleContext,
        rank: int,
        userid: int,
        *,
        find: bool = False,
        grace: float,
        patience: float = 0.0,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._ctx = ctx
        self._rank = rank
        self._userid = userid
        self._find = find
        self._grace = grace
        self._patience = patience
        self._renewed = renewed
        self.closed = False
        self.ended = trio.Event()
        self.reason = ""
        """Why it ended."""
        self.node_lost = False
        """Whether the rank itself couldn't be reached."""
        self.missing = False
        """Whether a host was looked for, and there is none."""
        self._session = ""
        self._channel: Channel[ToHost]
        self._open = False
        """Whether the other side knows the session."""
        self._linked = False
        self._deadline = inf
        self._said = False
        """Whether it is in the log that the rank can't be reached."""
        self._skew = 0.0
        """What is to be added to times of the rank's clock."""
        self._early: list[ToHost] | None = []
        """Batches from before the host was asked for."""
        self._begin()

    def send(self, batch: ToHost) -> None:
        """Send a batch, as soon as the rank can be reached."""
        if self._early is not None:
            self._early.append(batch)
        elif self._open and not self.closed:
            if self._skew:
                batch.expire = [(id, when - self._skew) for id, when in batch.expire]
                for start in batch.start:
                    start.expiration -= self._skew if start.expiration else 0.0
            parcel = self._channel.pack(batch)
            if self._linked:
                self._post(parcel)

    async def run(self, received: Callable[[FromHost], None]) -> None:
        """Serve until the host, its rank, or the way there is gone for good."""
        self.reason = f"the shell host of user {self._userid} on rank {self._rank} ended"
        try:
            while not await self._attempt(received):  # noqa: ASYNC110  it returns when a link has ended
                await trio.sleep(RETRY)
        finally:
            self.closed = True
            self.ended.set()

    async def disown(self) -> None:
        """End the host of a rank that was lost, should the rank be back before it ends by itself."""
        with trio.move_on_after(self._grace):
            while True:
                with suppress(RPCError):
                    await self._ctx.rpc("shell-manager.relay-end", self._name(), nodeid=self._rank)
                    return
                await trio.sleep(4 * RETRY)

    def _begin(self) -> None:
        self._session = os.urandom(8).hex()
        self._channel = Channel()
        self._open = False

    def _name(self) -> dict[str, Any]:
        return {"userid": self._userid, "session": self._session}

    def _post(self, parcel: Parcel[ToHost]) -> None:
        self._ctx.post("shell-manager.relay-send", {**self._name(), "parcel": parcel}, nodeid=self._rank)

    async def _attempt(self, received: Callable[[FromHost], None]) -> bool:
        """Serve one link to the host; return whether it was the last."""
        payload = {
            **self._name(),
            "find": self._find,
            "resume": self._open,
            "got": self._channel.got,
            "grace": self._grace,
        }
        asked = self._ctx.now()
        try:
            async with self._ctx.stream("shell-manager.relay", payload, nodeid=self._rank) as stream:
                async for news in stream:
                    number, got, report = msgspec.convert(news, _REPORT)
                    if not self._linked:
                        self._compare(asked, report.now if report is not None else 0.0)
                        self._greet(got)
                    elif self._channel.take(number, got) and report is not None:
                        received(self._set_right(report))
                        if receipt := self._channel.receipt():
                            self._post(receipt)
        except RPCError as error:
            self._linked = False
            return await self._over(error)
        except msgspec.ValidationError as error:
            self.reason = f"rank {self._rank} sent a report that is none: {error}"
        return True

    def _compare(self, asked: float, theirs: float) -> None:
        """Find out whether the rank's clock differs: it was asked, and has told the time."""
        ours = self._ctx.now()
        skew = (asked + ours) / 2 - theirs
        if not theirs or abs(skew) < CLOCKS_DIFFER + (ours - asked) / 2:
            skew = 0.0
        if skew and not self._skew:
            how = f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} that of rank 0"
            self._ctx.log.warning("the clock of rank %d is %s: what it tells is set right", self._rank, how)
        self._skew = skew

    def _set_right(self, report: FromHost) -> FromHost:
        """Have the times in a report by our clock; those in its logs stay."""
        if skew := self._skew:
            report.started = [(id, t + skew) for id, t in report.started]
            report.failed = [
                (id, t + skew, type, severity, note) for id, t, type, severity, note in report.failed
            ]
            report.finished = [(id, t + skew, status) for id, t, status in report.finished]
        return report

    def _greet(self, got: int) -> None:
        """The rank has said that a host is there, and how many parcels it has taken from us."""
        resumed, self._open = self._open, True
        self._linked = self._find = True
        self.node_lost = False
        self._deadline = inf
        if self._said:
            self._said = False
            self._ctx.log.info("user %d's shell host on rank %d is reached again", self._userid, self._rank)
        if resumed:
            for parcel in self._channel.again(got):
                self._post(parcel)
        elif self._early is None:
            self._renewed()
        else:
            early, self._early = self._early, None
            for batch in early:
                self.send(batch)

    async def _over(self, error: RPCError) -> bool:
        """Return whether an error is the end, or the rank may be reached again."""
        if error.errnum == errno.EHOSTUNREACH:
            where = await self._where()
            if where == "astray":
                self._say("it may be reached another way", error)
            if where != "gone":
                return False  # linked: again already, or rank 0 hasn't been told that it isn't
        if error.errnum == errno.ESTALE:
            # Another broker; without a state directory what ran there has ended with the one before.
            self.node_lost = not self._patience
            self._early = None
            self._begin()
            return False
        patience = self._grace if error.errnum in (errno.EBUSY, errno.EAGAIN) else 0.0
        patience = max(patience, self._patience)
        if error.errnum in _AWAY and patience:
            now = trio.current_time()
            if self._deadline == inf:
                self._deadline = now + patience
                if self._find:
                    self._say(f"it has {patience:.0f} s to come back", error)
            if now < self._deadline:
                return False
        if error.errnum == errno.EIO:
            self._ctx.post("shell-manager.relay-end", self._name(), nodeid=self._rank)
        self.node_lost = self.node_lost or error.errnum == errno.EHOSTUNREACH
        self.missing = error.errnum == errno.ENOENT
        self.reason = f"rank {self._rank}: {error.message}"
        if self.node_lost:
            self.reason = f"rank {self._rank} was lost"
        return True

    def _say(self, what: str, error: RPCError) -> None:
        if not self._said:
            self._said = True
            text = "user %d's shell host on rank %d can't be reached; %s: %s"
            self._ctx.log.warning(text, self._userid, self._rank, what, error.message)

    async def _where(self) -> str:
        found = await self._ctx.rpc("overlay.where", {"rank": self._rank}, nodeid=self._ctx.rank)
        return str(found["state"])
