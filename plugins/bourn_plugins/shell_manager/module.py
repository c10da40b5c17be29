"""The module `shell-manager`: this rank's shell hosts, one per user."""

from __future__ import annotations

import errno
import os
import re
import shutil
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Protocol

import trio

from bourn.broker.module import LATER, Module, method
from bourn.config.tables import ExecTable, PluginsTable
from bourn.errors import BournError
from bourn.shell.tmpdirs import root_of
from bourn.shell.wire import FromHost
from bourn_plugins.shell_manager import launch
from bourn_plugins.shell_manager.host import Outbox
from bourn_plugins.shell_manager.link import HostLink
from bourn_plugins.shell_manager.remote import Relay, RemoteLink

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Later, Request
    from bourn.model.interned import InternedJobspec
    from bourn.shell.wire import Start, Stdin

END_TIME = 3.0
"""Seconds that a host has to end its jobs and itself before it is killed."""
GREETING_TIME = 5.0
"""Seconds that a host from before a restart has to answer."""
_SOCKET = re.compile(r"shell-(\d+)-(\d+)\.sock")


class ReportSink(Protocol):
    """Who uses the hosts: an exec method."""

    def host_report(
        self, report: FromHost, mark: dict[str, object], durable: Callable[[], None], rank: int
    ) -> None:
        """Take a report from a rank. `mark` is to be made durable with what it says, by the store's `meta`;
        then call `durable`."""
        ...

    def host_fences(self, fences: Sequence[tuple[int, int, str, dict[str, str]]]) -> None:
        """Take parts of exchanges among jobs' nodes; see `bourn.shell.fences`."""
        ...

    def host_ready(self, ids: Sequence[int], rank: int) -> None:
        """These jobs, which were to be held, could start on a rank."""
        ...

    def host_lost(self, jobs: Sequence[int], reason: str, rank: int, *, node: bool) -> None:
        """A host ended without being told to; these jobs' processes there are gone. `node`: so is the
        broker."""
        ...


class Host:
    """A shell host and the jobs it has."""

    def __init__(self, rank: int, userid: int, outbox: Outbox) -> None:
        self.rank = rank
        self.userid = userid
        self.pid = 0
        self.name = ""
        self.outbox = outbox
        self.link: HostLink | RemoteLink | None = None
        self.jobs: set[int] = set()
        self.taken: dict[int, Callable[[], None]] = {}
        """What to call when input, by serial number, has been taken."""
        self.greeted = trio.Event()
        self.ending = False


class ShellManager(Module):
    """Starts, keeps and ends shell hosts: those of its own rank, and on rank 0 by way of the other ranks'
    shell-managers theirs as well. Used by direct calls of an exec method; the requests that it answers are
    those of rank 0's shell-manager.

    With a state directory the hosts' sockets lie there, and hosts and jobs outlive a broker that dies by
    ``[exec] linger``; without one they end with it.
    """

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        table = ctx.config.table("exec", ExecTable)
        # The hosts of other ranks end with rank 0, which is where it is known what they did.
        lasting = ctx.statedir if ctx.rank == 0 else None
        self._folder: Path = lasting or ctx.rundir
        self._grace = table.linger if lasting else 0.0
        self._disabled = ctx.config.table("plugins", PluginsTable).disable
        self._hosts: dict[tuple[int, int], Host] = {}
        """By rank and user."""
        self._relays: dict[int, Relay] = {}
        """By user: hosts of this rank that rank 0 uses."""
        self._serials = count(1)
        self._sink: ReportSink | None = None
        self._outlived = lasting is not None
        """Whether hosts may live on when this broker ends without a `cleanup`."""
        self._early: list[tuple[Host, FromHost]] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Find hosts of before, have one ready for the owner's first job, end them all at the end."""
        if self._outlived:
            await self._find()
        try:
            if self.ctx.rank == 0:  # the others wait for the first job: it may never come there
                self._host(0, os.getuid())
        except BournError as error:
            # The first job will tell; an instance of mocked jobs never needs one.
            self.ctx.log.warning("%s", error.message)
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            if not self._outlived:
                # Their connections are closed now, which ends them.
                with trio.CancelScope(shield=True):
                    await self._bury(list(self._hosts.values()))
            with trio.CancelScope(shield=True):
                for relay in list(self._relays.values()):
                    await self._bury_process(relay.userid, relay.pid)

    async def cleanup(self) -> None:
        """End the hosts; jobs have been cancelled before."""
        for relay in self._relays.values():
            relay.request.end()
        hosts = list(self._hosts.values())
        for host in hosts:
            host.ending = True
            if host.greeted.is_set() or host.jobs:
                host.outbox.end()
            else:
                # It is still starting up, and nobody wants to wait for that.
                launch.kill_session(host.pid)
                (self._folder / launch.socket_name(self.ctx.rank, host.userid)).unlink(missing_ok=True)
        self._flush()
        await self._bury(hosts)

    def attach(self, sink: ReportSink) -> None:
        """Hand all reports to `sink`, those included that came before."""
        self._sink = sink
        early, self._early = self._early, []
        for host, report in early:
            self._received(host, report)

    def detach(self) -> None:
        """Keep reports again, until the next `attach`; the hosts keep theirs, too."""
        self._sink = None

    def has_job(self, userid: int, id: int) -> bool:
        """Return whether the user's host of this rank runs a job, or holds the unacknowledged end of it."""
        host = self._hosts.get((self.ctx.rank, userid))
        return host is not None and id in host.jobs

    def start(self, rank: int, userid: int, jobs: Sequence[tuple[InternedJobspec, Start]]) -> None:
        """Start jobs on a rank; BournError when there is no host and none can be started."""
        host = self._host(rank, userid)
        host.jobs.update(start.id for _, start in jobs)
        host.outbox.start(jobs)
        self.ctx.soon(self._flush)

    def go(self, rank: int, userid: int, id: int) -> None:
        """Let a job start that was held."""
        if host := self._hosts.get((rank, userid)):
            host.outbox.go(id)
            self.ctx.soon(self._flush)

    def kill(self, rank: int, userid: int, id: int, signum: int) -> None:
        """Send a signal to all processes of a job on a rank."""
        if host := self._hosts.get((rank, userid)):
            host.outbox.kill(id, signum)
            self.ctx.soon(self._flush)

    def stdin(self, rank: int, userid: int, data: Stdin, taken: Callable[[], None]) -> None:
        """Write to the standard input of a job's tasks; `taken` is called when they have room for more."""
        if host := self._hosts.get((rank, userid)):
            data.serial = next(self._serials)
            host.taken[data.serial] = taken
            host.outbox.stdin(data)
            self.ctx.soon(self._flush)

    def resize(self, rank: int, userid: int, id: int, ranks: str, rows: int, columns: int) -> None:
        """Set the size of tasks' terminals."""
        if host := self._hosts.get((rank, userid)):
            host.outbox.resize(id, ranks, rows, columns)
            self.ctx.soon(self._flush)

    def fenced(self, rank: int, userid: int, id: int, key: str, data: dict[str, str]) -> None:
        """Tell a job's shell the result of an exchange among the job's nodes."""
        if host := self._hosts.get((rank, userid)):
            host.outbox.fenced(id, key, data)
            self.ctx.soon(self._flush)

    def peer_ended(self, rank: int, userid: int, id: int, nodeid: int, status: int) -> None:
        """Tell a job's shell that the job's tasks on another node have ended."""
        if host := self._hosts.get((rank, userid)):
            host.outbox.peer_ended(id, nodeid, status)
            self.ctx.soon(self._flush)

    def expiration(self, rank: int, userid: int, id: int, when: float) -> None:
        """Tell a job's shell that its time limit has moved."""
        if host := self._hosts.get((rank, userid)):
            host.outbox.expire(id, when)
            self.ctx.soon(self._flush)

    @method(streaming=True)
    def relay(self, request: Request) -> Later:
        """`{userid}`: start a shell host for rank 0 and stream its reports (`bourn.shell.wire.FromHost`).

        The host ends with the stream. EIO when it dies.
        """
        userid = request.get("userid", int)
        if userid in self._relays:
            raise BournError(f"user {userid}'s shell host on rank {self.ctx.rank} is in use", errno.EBUSY)
        pid, sock = self._launch(userid)
        relay = self._relays[userid] = Relay(request, userid, pid, sock)
        request.on_cancel = relay.link.close
        self.ctx.nursery.start_soon(self._serve_relay, relay)
        return LATER

    @method(name="relay-send")
    def relay_send(self, request: Request) -> None:
        """`{userid, batch}`: hand a batch (`bourn.shell.wire.ToHost`) to a host that is relayed."""
        relay = self._relays.get(request.get("userid", int))
        if relay is not None:
            relay.send(request.get("batch", dict), self._uri())

    async def _serve_relay(self, relay: Relay) -> None:
        await relay.link.run(relay.received)
        self._relays.pop(relay.userid, None)
        told = relay.request.done or relay.ending
        await self._bury_process(relay.userid, relay.pid, grace=END_TIME if told else 0.0)
        relay.request.error(errno.EIO, f"the shell host of user {relay.userid} (process {relay.pid}) died")

    def stats(self) -> dict[str, object]:
        """Return the hosts: rank, user, process and number of jobs."""
        return {
            "hosts": [
                {"rank": host.rank, "userid": host.userid, "pid": host.pid, "jobs": len(host.jobs)}
                for host in self._hosts.values()
            ]
        }

    def _host(self, rank: int, userid: int) -> Host:
        host = self._hosts.get((rank, userid))
        if host is None:
            if rank != self.ctx.rank:
                return self._adopt(rank, userid, RemoteLink(self.ctx, rank, userid))
            pid, sock = self._launch(userid)
            host = self._adopt(rank, userid, HostLink(sock))
            host.pid = pid
        return host

    def _launch(self, userid: int) -> tuple[int, socket.socket]:
        if userid != os.getuid():
            raise BournError(
                f"user {userid}'s jobs can't be run: this instance runs those of user {os.getuid()} only"
            )
        name = launch.socket_name(self.ctx.rank, userid)
        # What outlives the broker must not lie where the broker cleans up.
        tmpdir = None if self._outlived else self.ctx.rundir
        pid, said, sock = launch.launch(
            self._folder, name, tmpdir=tmpdir, grace=self._grace, disable=self._disabled
        )
        self.ctx.nursery.start_soon(self._listen, pid, said)
        return pid, sock

    def _adopt(self, rank: int, userid: int, link: HostLink | RemoteLink) -> Host:
        uri, mark = (self._uri(), self._mark(userid)) if rank == self.ctx.rank else ("-", None)
        host = self._hosts[rank, userid] = Host(rank, userid, Outbox(uri, mark))
        host.link = link
        self.ctx.nursery.start_soon(self._serve, host)
        self.ctx.soon(self._flush)
        return host

    def _uri(self) -> str:
        return str(self.ctx.attrs.get("local-uri") or "")

    async def _find(self) -> None:
        for path in sorted(self._folder.glob(f"shell-{self.ctx.rank}-*.sock")):
            match = _SOCKET.fullmatch(path.name)
            if match is None:
                continue
            userid = int(match[2])
            try:
                sock = launch.connect(self._folder, path.name)
            except OSError:
                path.unlink(missing_ok=True)
                continue
            host = self._adopt(self.ctx.rank, userid, HostLink(sock))
            with trio.move_on_after(GREETING_TIME):
                await host.greeted.wait()
                self.ctx.log.info("took up the shell host of user %d, process %d", userid, host.pid)
                continue
            self.ctx.log.error("the shell host of user %d doesn't answer", userid)
            del self._hosts[self.ctx.rank, userid]
            if host.link is not None:
                host.link.close()

    def _mark(self, userid: int) -> tuple[str, int] | None:
        store = self.ctx.provider("store")
        found = store.store.meta(self._mark_key(userid)) if store is not None and self._outlived else None
        return (str(found[0]), int(found[1])) if isinstance(found, list | tuple) else None

    def _mark_key(self, userid: int) -> str:
        return f"shell-host.{self.ctx.rank}.{userid}"

    async def _serve(self, host: Host) -> None:
        link = host.link
        assert link is not None
        await link.run(partial(self._received, host))
        if self._hosts.get((host.rank, host.userid)) is host:
            del self._hosts[host.rank, host.userid]
        if host.ending:
            return
        node = False
        if isinstance(link, RemoteLink):
            reason, node = link.reason, link.node_lost
            self.ctx.log.error("%s; it had %d jobs", reason, len(host.jobs))
        else:
            killed = launch.kill_session(host.pid) if host.pid else 0
            self._tidy_after(host)
            reason = f"the shell host of user {host.userid} (process {host.pid}) died"
            self.ctx.log.error("%s; it had %d jobs, %d processes were killed", reason, len(host.jobs), killed)
        if self._sink is not None:
            self._sink.host_lost(sorted(host.jobs), reason, host.rank, node=node)

    def _tidy_after(self, host: Host) -> None:
        """Remove what a host that died would have removed; without a state directory the broker does."""
        if self._outlived:
            (self._folder / launch.socket_name(self.ctx.rank, host.userid)).unlink(missing_ok=True)
            if host.name:
                shutil.rmtree(root_of("", host.name), ignore_errors=True)

    async def _listen(self, pid: int, said: int) -> None:
        # What a host prints is trouble: it ends up in the broker's log.
        rest = b""
        async with trio.lowlevel.FdStream(said) as stream:
            async for data in stream:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self.ctx.log.error("shell host: %s", line.decode("utf-8", "replace"))
        if rest:
            self.ctx.log.error("shell host: %s", rest.decode("utf-8", "replace"))
        await launch.ended(pid)

    def _received(self, host: Host, report: FromHost) -> None:
        if report.jobs is not None:
            host.pid, host.name = report.pid, report.host
            host.jobs.update(report.jobs)
            host.greeted.set()
        for serial in report.taken:
            if taken := host.taken.pop(serial, None):
                taken()
        if report.ready and self._sink is not None:
            self._sink.host_ready(report.ready, host.rank)
        if report.fences:
            if self._sink is None:
                self._early.append((host, FromHost(fences=report.fences)))
            else:
                self._sink.host_fences(report.fences)
        if not report.seq:
            return
        for level, text in report.messages:
            self.ctx.log.log(level, "%s", text)
        if self._sink is None:
            self._early.append((host, report))
            return
        host.jobs.difference_update(id for id, _, _ in report.finished)
        mark: dict[str, object] = {}
        if self._outlived and host.rank == self.ctx.rank:
            mark[self._mark_key(host.userid)] = [host.name, report.seq]
        self._sink.host_report(report, mark, partial(self._durable, host, report), host.rank)

    def _durable(self, host: Host, report: FromHost) -> None:
        host.outbox.durable(report)
        self.ctx.soon(self._flush)

    def _flush(self) -> None:
        for host in self._hosts.values():
            batch = host.outbox.take()
            if batch is not None and host.link is not None:
                host.link.send(batch)

    async def _bury(self, hosts: Sequence[Host]) -> None:
        with trio.move_on_after(END_TIME):
            for host in hosts:
                if isinstance(host.link, RemoteLink):
                    await host.link.ended.wait()
                else:
                    await launch.ended(host.pid)
        for host in hosts:
            remote = isinstance(host.link, RemoteLink)
            if not remote and host.pid and launch.kill_session(host.pid):
                self.ctx.log.error("the shell host of user %d didn't end by itself", host.userid)
                self._tidy_after(host)
        for host in hosts:
            self._hosts.pop((host.rank, host.userid), None)

    async def _bury_process(self, userid: int, pid: int, grace: float = END_TIME) -> None:
        with trio.move_on_after(grace):
            await launch.ended(pid)
        if launch.kill_session(pid):
            self.ctx.log.error("what the shell host of user %d left was killed", userid)
