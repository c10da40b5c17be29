"""The module `shell-manager`: this rank's shell hosts, one per user."""

from __future__ import annotations

import os
import re
import shutil
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Protocol

import trio

from bourn.broker.module import Module
from bourn.config.tables import ExecTable, PluginsTable
from bourn.errors import BournError
from bourn.shell.tmpdirs import root_of
from bourn.shell.wire import FromHost
from bourn_plugins.shell_manager import launch
from bourn_plugins.shell_manager.host import Outbox
from bourn_plugins.shell_manager.link import HostLink

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bourn.broker.module import ModuleContext
    from bourn.model.interned import InternedJobspec
    from bourn.shell.wire import Start, Stdin

END_TIME = 3.0
"""Seconds that a host has to end its jobs and itself before it is killed."""
GREETING_TIME = 5.0
"""Seconds that a host from before a restart has to answer."""
_SOCKET = re.compile(r"shell-(\d+)-(\d+)\.sock")


class ReportSink(Protocol):
    """Who uses the hosts of this rank: an exec method."""

    def host_report(self, report: FromHost, mark: dict[str, object], durable: Callable[[], None]) -> None:
        """Take a report. `mark` is to be made durable with what it says, by the store's `meta`; then call
        `durable`."""
        ...

    def host_fences(self, fences: Sequence[tuple[int, int, str, dict[str, str]]]) -> None:
        """Take parts of exchanges among jobs' nodes; see `bourn.shell.fences`."""
        ...

    def host_lost(self, userid: int, jobs: Sequence[int], reason: str) -> None:
        """A host ended without being told to; these jobs, and their processes, are gone."""
        ...


class Host:
    """A shell host and the jobs it has."""

    def __init__(self, userid: int, outbox: Outbox) -> None:
        self.userid = userid
        self.pid = 0
        self.name = ""
        self.outbox = outbox
        self.link: HostLink | None = None
        self.jobs: set[int] = set()
        self.taken: dict[int, Callable[[], None]] = {}
        """What to call when input, by serial number, has been taken."""
        self.greeted = trio.Event()
        self.ending = False


class ShellManager(Module):
    """Starts, keeps and ends shell hosts. Used by direct calls of an exec method; it answers no requests but
    stats.

    With a state directory the hosts' sockets lie there, and hosts and jobs outlive a broker that dies by
    ``[exec] linger``; without one they end with it.
    """

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        table = ctx.config.table("exec", ExecTable)
        self._folder: Path = ctx.statedir or ctx.rundir
        self._grace = table.linger if ctx.statedir else 0.0
        self._disabled = ctx.config.table("plugins", PluginsTable).disable
        self._hosts: dict[int, Host] = {}
        self._serials = count(1)
        self._sink: ReportSink | None = None
        self._outlived = ctx.statedir is not None
        """Whether hosts may live on when this broker ends without a `cleanup`."""
        self._early: list[tuple[Host, FromHost]] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Find hosts of before, have one ready for the owner's first job, end them all at the end."""
        if self.ctx.statedir:
            await self._find()
        try:
            self._host(os.getuid())
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

    async def cleanup(self) -> None:
        """End the hosts; jobs have been cancelled before."""
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
        """Return whether the user's host runs a job, or holds the unacknowledged end of it."""
        host = self._hosts.get(userid)
        return host is not None and id in host.jobs

    def start(self, userid: int, jobs: Sequence[tuple[InternedJobspec, Start]]) -> None:
        """Start jobs; BournError when there is no host and none can be started."""
        host = self._host(userid)
        host.jobs.update(start.id for _, start in jobs)
        host.outbox.start(jobs)
        self.ctx.soon(self._flush)

    def kill(self, userid: int, id: int, signum: int) -> None:
        """Send a signal to all processes of a job."""
        if host := self._hosts.get(userid):
            host.outbox.kill(id, signum)
            self.ctx.soon(self._flush)

    def stdin(self, userid: int, data: Stdin, taken: Callable[[], None]) -> None:
        """Write to the standard input of a job's tasks; `taken` is called when they have room for more."""
        if host := self._hosts.get(userid):
            data.serial = next(self._serials)
            host.taken[data.serial] = taken
            host.outbox.stdin(data)
            self.ctx.soon(self._flush)

    def resize(self, userid: int, id: int, ranks: str, rows: int, columns: int) -> None:
        """Set the size of tasks' terminals."""
        if host := self._hosts.get(userid):
            host.outbox.resize(id, ranks, rows, columns)
            self.ctx.soon(self._flush)

    def fenced(self, userid: int, id: int, key: str, data: dict[str, str]) -> None:
        """Tell a job's shell the result of an exchange among the job's nodes."""
        if host := self._hosts.get(userid):
            host.outbox.fenced(id, key, data)
            self.ctx.soon(self._flush)

    def expiration(self, userid: int, id: int, when: float) -> None:
        """Tell a job's shell that its time limit has moved."""
        if host := self._hosts.get(userid):
            host.outbox.expire(id, when)
            self.ctx.soon(self._flush)

    def stats(self) -> dict[str, object]:
        """Return the hosts: user, process and number of jobs."""
        return {
            "hosts": [
                {"userid": host.userid, "pid": host.pid, "jobs": len(host.jobs)}
                for host in self._hosts.values()
            ]
        }

    def _host(self, userid: int) -> Host:
        host = self._hosts.get(userid)
        if host is None:
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
            host = self._adopt(userid, sock)
            host.pid = pid
            self.ctx.nursery.start_soon(self._listen, pid, said)
        return host

    def _adopt(self, userid: int, sock: socket.socket) -> Host:
        host = self._hosts[userid] = Host(userid, Outbox(self._uri(), self._mark(userid)))
        host.link = HostLink(sock, partial(self._received, host))
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
            host = self._adopt(userid, sock)
            with trio.move_on_after(GREETING_TIME):
                await host.greeted.wait()
                self.ctx.log.info("took up the shell host of user %d, process %d", userid, host.pid)
                continue
            self.ctx.log.error("the shell host of user %d doesn't answer", userid)
            del self._hosts[userid]
            if host.link is not None:
                host.link.close()

    def _mark(self, userid: int) -> tuple[str, int] | None:
        store = self.ctx.provider("store")
        found = store.store.meta(self._mark_key(userid)) if store is not None and self._outlived else None
        return (str(found[0]), int(found[1])) if isinstance(found, list | tuple) else None

    def _mark_key(self, userid: int) -> str:
        return f"shell-host.{self.ctx.rank}.{userid}"

    async def _serve(self, host: Host) -> None:
        assert host.link is not None
        await host.link.run()
        if self._hosts.get(host.userid) is host:
            del self._hosts[host.userid]
        if host.ending:
            return
        killed = launch.kill_session(host.pid) if host.pid else 0
        self._tidy_after(host)
        reason = f"the shell host of user {host.userid} (process {host.pid}) died"
        self.ctx.log.error("%s; it had %d jobs, %d processes were killed", reason, len(host.jobs), killed)
        if self._sink is not None:
            self._sink.host_lost(host.userid, sorted(host.jobs), reason)

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
        if self._outlived:
            mark[self._mark_key(host.userid)] = [host.name, report.seq]
        self._sink.host_report(report, mark, partial(self._durable, host, report))

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
                await launch.ended(host.pid)
        for host in hosts:
            if host.pid and launch.kill_session(host.pid):
                self.ctx.log.error("the shell host of user %d didn't end by itself", host.userid)
                self._tidy_after(host)
        for host in hosts:
            self._hosts.pop(host.userid, None)
