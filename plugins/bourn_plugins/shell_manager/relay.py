"""The side of a rank whose shell hosts rank 0 uses: it passes batches and reports on, and buries the dead."""

from __future__ import annotations

import errno
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import trio

from bourn.errors import BournError
from bourn.shell.wire import FromHost
from bourn_plugins.shell_manager.channel import Channel
from bourn_plugins.shell_manager.local import END_TIME
from bourn_plugins.shell_manager.process import HostProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Request
    from bourn_plugins.shell_manager.link import HostLink
    from bourn_plugins.shell_manager.local import LocalHosts


class Relay:
    """A host of this rank, and the stream that its reports go to."""

    def __init__(
        self,
        userid: int,
        session: str,
        process: HostProcess | None,
        link: HostLink,
        grace: float,
        note: Callable[[HostProcess], None],
    ) -> None:
        self.userid = userid
        self.session = session
        self.process = process
        """None until a host that was found has said who it is."""
        self.known = False
        """Whether it has said anything."""
        self.ending = False
        """Whether it was told to end."""
        self.forsaken = False
        """Whether nobody will listen any more."""
        self.over: tuple[int, str] | None = None
        """The error that says why there is no host any more; there is nothing left of it."""
        self.link = link
        self._grace = grace
        self._note = note
        self._request: Request | None = None
        self._channel: Channel[FromHost] = Channel()
        self._changed = trio.Event()

    def attach(self, request: Request, got: int, now: float) -> None:
        """Take the stream for reports; the first thing that it says is that there is a host, and the time."""
        self.detach()
        self._request = request
        request.on_cancel = self._cut
        request.respond((0, self._channel.got, FromHost(now=now)))
        for parcel in self._channel.again(got):
            request.respond(parcel)
        if self.over is not None:
            self.detach(*self.over)
        self._change()

    def detach(self, errnum: int = errno.ECANCELED, text: str = "another stream takes its place") -> None:
        """End the stream, if there is one."""
        request, self._request = self._request, None
        if request is not None:
            request.on_cancel = None
            request.error(errnum, text)

    def send(self, parcel: list[Any], uri: str) -> None:
        """Hand a batch to the host; the tasks' instance has its address on this rank."""
        number, got, batch = parcel
        if not self._channel.take(number, got) or batch is None:
            return
        if "uri" in batch:
            batch["uri"] = uri
        self.ending = self.ending or bool(batch.get("end"))
        self.link.send(batch)
        if (receipt := self._channel.receipt()) and self._request is not None:
            self._request.respond(receipt)

    def forsake(self) -> None:
        """Hang up on the host: nobody will listen any more."""
        self.forsaken = True
        self.detach()
        self.link.close()
        self._change()

    async def conclude(self, errnum: int, text: str) -> None:
        """Say why there is no host any more. It may not arrive: be there to say it again, for the grace."""
        self.over = errnum, text
        self.detach(errnum, text)
        with trio.move_on_after(self._grace):
            while not self.forsaken:
                await self._changed.wait()

    async def run(self) -> None:
        """Serve until the host hangs up, or nobody has listened for the grace."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            await self.link.run(self._received)
            nursery.cancel_scope.cancel()

    def _received(self, report: FromHost) -> None:
        """Pass a report on."""
        self.known = True
        if report.jobs is not None and self.process is None:
            self.process = HostProcess.of(report.pid, report.host)
            self._note(self.process)
        if not report.pong:
            parcel = self._channel.pack(report)
            if self._request is not None:
                self._request.respond(parcel)

    async def _watch(self) -> None:
        while True:
            with trio.move_on_after(self._grace if self._request is None else inf):
                await self._changed.wait()
                continue
            self.forsake()
            return

    def _cut(self) -> None:
        self._request = None
        self._change()

    def _change(self) -> None:
        event, self._changed = self._changed, trio.Event()
        event.set()


class Relays:
    """The hosts of this rank that rank 0 uses, one a user."""

    def __init__(self, ctx: ModuleContext, local: LocalHosts) -> None:
        self._ctx = ctx
        self._local = local
        self._relays: dict[int, Relay] = {}

    def open(self, request: Request) -> None:
        """Serve `shell-manager.relay`."""
        rank = self._ctx.rank
        userid, session, got = (
            request.get("userid", int),
            request.get("session", str),
            request.get("got", int),
        )
        relay = self._relays.get(userid)
        if relay is not None and relay.session == session:
            relay.attach(request, got, self._ctx.now())
            return
        if request.get("resume", bool):
            raise BournError(f"rank {rank} knows nothing of session {session}", errno.ESTALE)
        if relay is not None:
            relay.forsake()
            if relay.over is None:
                raise BournError(f"user {userid}'s shell host on rank {rank} is in use", errno.EBUSY)
        link = self._local.find(userid) if userid in self._local.users() else None
        process = None
        if link is None:
            if request.get("find", bool, False):
                text = f"the shell host of user {userid} on rank {rank} is gone"
                raise BournError(text, errno.ENOENT)
            process, link = self._local.start(userid)
        grace = request.get("grace", float, inf)
        note = partial(self._local.note, userid)
        relay = self._relays[userid] = Relay(userid, session, process, link, grace, note)
        relay.attach(request, got, self._ctx.now())
        self._ctx.nursery.start_soon(self._serve, relay)

    def of(self, request: Request) -> Relay | None:
        """Return the host that a request means, unless its session is over."""
        relay = self._relays.get(request.get("userid", int))
        return relay if relay is not None and relay.session == request.get("session", str) else None

    def detach(self) -> None:
        """End all streams: rank 0 is told no more."""
        for relay in self._relays.values():
            relay.detach(errno.ENODATA, "end of stream")

    async def bury(self) -> None:
        """See that those hosts end that are to end, or that don't outlive this broker."""
        for relay in list(self._relays.values()):
            if relay.process is not None and (relay.ending or not self._local.outlive):
                await self._local.bury(relay.userid, relay.process)

    async def _serve(self, relay: Relay) -> None:
        await relay.run()
        errnum, text = await self._end(relay)
        if errnum == errno.EIO:
            await relay.conclude(errnum, text)
        # Only now: until nothing is left of one host there is no other.
        if self._relays.get(relay.userid) is relay:
            del self._relays[relay.userid]
        relay.detach(errnum, text)

    async def _end(self, relay: Relay) -> tuple[int, str]:
        """See to a host whose connection has ended; return the error that says why."""
        gone = relay.forsaken
        if gone and self._local.outlive and not relay.ending:
            return errno.ECANCELED, "nobody wants to know"
        process = relay.process or self._local.recorded(relay.userid)
        if relay.process is None and not (gone or relay.ending or relay.known or relay.link.hung):
            # One of before that has said nothing has taken nothing: it was just ending, or its broker of
            # before is still there.
            if process is not None and not process.alive:
                await self._local.bury(relay.userid, process, grace=0.0)
            return errno.EAGAIN, f"user {relay.userid}'s shell host hasn't been let go of yet"
        if process is None:
            return errno.EAGAIN, f"user {relay.userid}'s shell host is gone"
        await self._local.bury(relay.userid, process, grace=END_TIME if gone or relay.ending else 0.0)
        return errno.EIO, self._local.obituary(relay.userid, process.pid, hung=relay.link.hung)
