"""The module `shell-manager`: this rank's shell hosts, one per user."""

from __future__ import annotations

import errno
import os
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import msgspec
import trio

from bourn.broker.module import LATER, Module, method
from bourn.broker.request import is_int
from bourn.broker.settings import TbonTable
from bourn.config.tables import ExecTable
from bourn.errors import BournError
from bourn.shell.wire import FromHost
from bourn_plugins.shell_manager.local import END_TIME, LocalHosts
from bourn_plugins.shell_manager.outbox import Outbox
from bourn_plugins.shell_manager.process import HostProcess
from bourn_plugins.shell_manager.relay import Relays
from bourn_plugins.shell_manager.remote import RemoteLink
from bourn_plugins.shell_manager.session import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Later, Request
    from bourn.model.interned import InternedJobspec
    from bourn.shell.wire import Start, Stdin
    from bourn_plugins.shell_manager.link import HostLink
    from bourn_plugins.shell_manager.sink import ReportSink


class ShellManager(Module):
    """Starts, keeps and ends shell hosts: those of its own rank (`LocalHosts`), and on rank 0 by way of the
    other ranks' shell-managers theirs as well. Used by direct calls of an exec method; the requests that it
    answers are those of rank 0's shell-manager.
    """

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._table = ctx.config.table("exec", ExecTable)
        self._local = LocalHosts(ctx)
        self._patience = self._table.linger if self._local.outlive else 0.0
        """Seconds that ranks that can't be reached have to come back with their hosts."""
        self._hosts: dict[tuple[int, int], Host] = {}
        """By rank and user."""
        self._gone: dict[int, str] = {}
        """Why there is no host any more that there was before the restart, by user."""
        self._relays = Relays(ctx, self._local)
        self._serials = count(time.time_ns())  # higher than those of a broker before
        self._sink: ReportSink | None = None
        self._early: list[tuple[Host, FromHost]] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Find hosts of before, have one ready for the owner's first job, end them all at the end."""
        if self.ctx.rank == 0:
            if self._local.take_note():
                self._patience = self._table.kept_linger
            for userid in self._local.users():
                await self._find(userid)
            try:  # the other ranks wait for the first job: it may never come there
                self._host(0, os.getuid())
            except BournError as error:
                # The first job will tell; an instance of mocked jobs never needs one.
                self.ctx.log.warning("%s", error.message)
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            # Their connections are closed now, which ends them unless they outlive us.
            with trio.CancelScope(shield=True):
                if not self._local.outlive:
                    await self._bury(list(self._hosts.values()))
                await self._relays.bury()

    async def cleanup(self) -> None:
        """End the hosts; jobs have been cancelled before. Those of other ranks than 0 are ended by rank 0."""
        if not self._local.outlive:
            self._relays.detach()
        hosts = list(self._hosts.values())
        for host in hosts:
            host.ending = True
            if host.greeted.is_set() or host.jobs or host.process is None:
                host.outbox.end()
            else:
                # It is still starting up, and nobody wants to wait for that.
                self._local.kill(host.userid, host.process)
        self._flush()
        await self._bury(hosts)

    async def handover(self) -> None:
        """Have the hosts wait for the next broker as long as they are to after an end on purpose."""
        if self._local.outlive and self.ctx.rank == 0:
            self._local.leave_note()
            for host in self._hosts.values():
                host.outbox.keep(self._table.kept_linger)
            self._flush()

    def attach(self, sink: ReportSink, sought: Mapping[tuple[int, int], Collection[int]]) -> None:
        """Hand all reports to `sink`, those included that came before.

        Args:
            sought: by rank and user the jobs that a host is to have from before a restart. What becomes of
                each host is told by `ReportSink.host_found`, now if it is known already, or `host_lost`.
        """
        self._sink = sink
        for (rank, userid), ids in sought.items():
            self._seek(sink, rank, userid, ids)
        early, self._early = self._early, []
        for host, report in early:
            self._received(host, report)

    def detach(self) -> None:
        """Keep reports again, until the next `attach`; the hosts keep theirs, too."""
        self._sink = None

    def _seek(self, sink: ReportSink, rank: int, userid: int, ids: Collection[int]) -> None:
        host = self._hosts.get((rank, userid))
        if host is None and rank != self.ctx.rank:
            host = self._remote(rank, userid, find=True)
        if host is not None and host.sought:
            host.jobs.update(ids)
            return
        # Of our own rank it was looked for at the start.
        greeting = FromHost(jobs=[])
        if host is not None:
            greeting = FromHost(jobs=[*host.jobs], waiting=[*host.waiting], ready=[*host.ready])
        sink.host_found(rank, userid, greeting, self._gone.get(userid, ""))

    def sweep(self, rank: int, jobs: Sequence[int]) -> None:
        """Kill what is left on a rank of jobs whose host is gone."""
        if rank == self.ctx.rank:
            self._local.sweep(jobs)
        else:
            self.ctx.post("shell-manager.relay-sweep", {"jobs": jobs}, nodeid=rank)

    def start(self, rank: int, userid: int, jobs: Sequence[tuple[InternedJobspec, Start]]) -> None:
        """Start jobs on a rank; BournError when there is no host and none can be started."""
        host = self._host(rank, userid)
        host.jobs.update(start.id for _, start in jobs)
        host.waiting.update(start.id for _, start in jobs if start.hold)
        host.outbox.start(jobs)
        self.ctx.soon(self._flush)

    def go(self, rank: int, userid: int, id: int) -> None:
        """Let a job start that was held."""
        if host := self._hosts.get((rank, userid)):
            host.waiting.discard(id)
            host.ready.discard(id)
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
            host.inputs[data.serial] = (data, taken)
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

    def pids(self, rank: int, userid: int, id: int, told: Callable[[list[tuple[int, int]]], None]) -> None:
        """Ask a job's shell for (rank, process id) of the tasks that run; `told` is called with them."""
        if host := self._hosts.get((rank, userid)):
            host.asked.setdefault(id, []).append(told)
            host.outbox.pids(id)
            self.ctx.soon(self._flush)
        else:
            told([])

    def expiration(self, rank: int, userid: int, id: int, when: float) -> None:
        """Tell a job's shell that its time limit has moved."""
        if host := self._hosts.get((rank, userid)):
            host.outbox.expire(id, when)
            self.ctx.soon(self._flush)

    @method(streaming=True)
    def relay(self, request: Request) -> Later:
        """`{userid, session, resume, got, grace, find?}`: stream the reports (`bourn.shell.wire.FromHost`) of
        a user's shell host to rank 0, as parcels of a `Channel`, after one that says that there is a host.

        A host from before is taken up, or else one is started: not with `find`, which is ENOENT where there
        is none. When the stream breaks, rank 0 has `grace` seconds to take up its session again by the number
        `got` of the last parcel that it has; ESTALE where there is no such session. Else the host ends,
        unless hosts outlive their brokers. EIO when it dies.
        """
        self._relays.open(request)
        return LATER

    @method(name="relay-send")
    def relay_send(self, request: Request) -> None:
        """`{userid, session, parcel}`: hand a batch (`bourn.shell.wire.ToHost`) to a host that is relayed."""
        if relay := self._relays.of(request):
            relay.send(request.get("parcel", list), self._local.uri)

    @method(name="relay-end")
    def relay_end(self, request: Request) -> None:
        """`{userid, session}`: end a host that rank 0 has given up, or of whose end it has heard."""
        if relay := self._relays.of(request):
            relay.ending = True
            relay.forsake()

    @method(name="relay-sweep")
    def relay_sweep(self, request: Request) -> None:
        """`{jobs}`: kill what is left here of jobs whose host is gone."""
        jobs = request.get("jobs", list)
        if not all(map(is_int, jobs)):
            raise BournError(f"{request.topic}: 'jobs' must be job ids, not {jobs!r:.60}", errno.EPROTO)
        self._local.sweep(jobs)

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
                return self._remote(rank, userid)
            process, link = self._local.start(userid)
            host = self._adopt(rank, userid, link)
            host.process, host.pid = process, process.pid
        return host

    def _remote(self, rank: int, userid: int, *, find: bool = False) -> Host:
        link = RemoteLink(
            self.ctx,
            rank,
            userid,
            find=find,
            grace=self.ctx.config.table("tbon", TbonTable).rejoin_grace,
            patience=self._patience,
            renewed=lambda: self._renew(self._hosts[rank, userid]),
        )
        host = self._adopt(rank, userid, link)
        host.sought = find
        return host

    def _adopt(self, rank: int, userid: int, link: HostLink | RemoteLink) -> Host:
        host = self._hosts[rank, userid] = Host(rank, userid, self._outbox(rank, self._mark(rank, userid)))
        host.link = link
        self.ctx.nursery.start_soon(self._serve, host)
        self.ctx.soon(self._flush)
        return host

    def _renew(self, host: Host) -> None:
        """A host can be reached again: tell it anew what it may not have been told, and still matters."""
        host.sought = True
        if batch := host.outbox.take():
            host.note(batch, self._serials)
        host.outbox = self._outbox(host.rank, (host.name, host.outbox.acknowledged) if host.name else None)
        for data, _ in host.inputs.values():
            host.outbox.stdin(data)
        for id in host.asked:
            host.outbox.pids(id)
        self.ctx.soon(self._flush)

    def _outbox(self, rank: int, mark: tuple[str, int] | None) -> Outbox:
        return Outbox(self._local.uri if rank == self.ctx.rank else "-", mark)

    async def _find(self, userid: int) -> None:
        rank = self.ctx.rank
        process = self._local.recorded(userid)
        link = self._local.find(userid)
        if link is not None:
            host = self._adopt(rank, userid, link)
            host.process, host.ending = process, True
            with trio.move_on_after(self._local.timeout):
                await host.greeted.wait()
            if host.pid and not link.closed:
                host.ending = False
                self.ctx.log.info("took up the shell host of user %d, process %d", userid, host.pid)
                return
            link.hung = link.hung or not link.closed
            self._hosts.pop((rank, userid), None)
            link.close()
            self._local.kill(userid, process)
        if process is not None:
            hung = link is not None and link.hung
            text = self._local.obituary(userid, process.pid, hung=hung)
            self._gone[userid] = text if hung else f"{text} while no broker was there"
            if hung:
                self.ctx.log.error("%s", text)

    def _mark(self, rank: int, userid: int) -> tuple[str, int] | None:
        store = self.ctx.provider("store")
        known = store is not None and self._local.outlive
        found = store.store.meta(self._mark_key(rank, userid)) if known else None
        return (str(found[0]), int(found[1])) if isinstance(found, list | tuple) else None

    def _mark_key(self, rank: int, userid: int) -> str:
        return f"shell-host.{rank}.{userid}"

    async def _serve(self, host: Host) -> None:
        link = host.link
        assert link is not None
        await link.run(partial(self._received, host))
        if self._hosts.get((host.rank, host.userid)) is host:
            del self._hosts[host.rank, host.userid]
        host.greeted.set()  # whoever waits for that waits for nothing
        for waiting in host.asked.values():
            for told in waiting:
                told([])
        if host.ending:
            return
        jobs, node = sorted(host.jobs), False
        if isinstance(link, RemoteLink):
            reason, node = link.reason, link.node_lost
            if link.missing:
                if self._sink is not None:
                    self._sink.host_found(host.rank, host.userid, FromHost(jobs=[]), reason, node=node)
                if heir := self._hosts.get((host.rank, host.userid)):
                    heir.inherit(host)
                return
            if host.rank in self.ctx.members:  # else it was given back, and ended in order
                if not node:
                    self.sweep(host.rank, jobs)
                self.ctx.log.error("%s; it had %d jobs", reason, len(jobs))
        else:
            killed = self._local.kill(host.userid, host.process, jobs)
            reason = self._local.obituary(host.userid, host.pid, hung=link.hung)
            self.ctx.log.error("%s; it had %d jobs, %d processes were killed", reason, len(jobs), killed)
        if self._sink is not None:
            self._sink.host_lost(jobs, reason, host.rank, node=node)
        if isinstance(link, RemoteLink) and node:
            await link.disown()

    def _received(self, host: Host, report: FromHost) -> None:
        if report.jobs is not None:
            self._greeted(host, report)
            report.ready = []
        for serial in report.taken:
            host.confirmed(serial)
        for id, pids in report.pids:
            for told in host.asked.pop(id, ()):
                told(pids)
        if report.ready:
            host.ready.update(report.ready)
            if self._sink is not None:
                self._sink.host_ready(report.ready, host.rank)
        if report.fences:
            if self._sink is None:
                self._early.append((host, FromHost(fences=report.fences)))
            else:
                self._sink.host_fences(report.fences)
        if not report.seq:
            return
        if self._sink is None:
            self._early.append((host, report))
            return
        if report.seq <= host.heard:
            return  # it was told again since it isn't durable yet
        host.heard = report.seq
        for level, text in report.messages:
            self.ctx.log.log(level, "%s", text)
        host.jobs.difference_update(id for id, _, _ in report.finished)
        if host.waiting:
            host.waiting &= host.jobs
            host.ready &= host.jobs
        mark: dict[str, object] = {}
        if self._local.outlive:
            mark[self._mark_key(host.rank, host.userid)] = [host.name, report.seq]
        self._sink.host_report(report, mark, partial(self._durable, host, report), host.rank)

    def _greeted(self, host: Host, greeting: FromHost) -> None:
        host.pid, host.outbox.parts = greeting.pid, greeting.parts
        if host.name != greeting.host:
            host.name, host.heard = greeting.host, 0
        if host.rank == self.ctx.rank and (host.process is None or host.process.pid != host.pid):
            # Its broker had no time to note it.
            host.process = HostProcess.of(host.pid, host.name)
            self._local.note(host.userid, host.process)
        host.greeted.set()
        host.confirms = greeting.confirms
        if not host.confirms:
            host.orders.clear()
        if not (host.sought or host.rank == self.ctx.rank):
            return  # it was started for the jobs that we know of
        host.waiting, host.ready = set(greeting.waiting), set(greeting.ready)
        if not host.sought:
            host.jobs.update(greeting.jobs or ())
        elif self._sink is None:
            self._early.append((host, msgspec.structs.replace(greeting)))
        else:
            host.sought = False
            host.jobs = set(greeting.jobs or ())
            orders = list(host.orders.values())
            self._sink.host_found(host.rank, host.userid, greeting, "")
            self._flush()  # jobs that it is handed anew are there before what is for them
            assert host.link is not None
            for order in orders:
                host.link.send(order)

    def _durable(self, host: Host, report: FromHost) -> None:
        host.outbox.durable(report)
        self.ctx.soon(self._flush)

    def _flush(self) -> None:
        for host in self._hosts.values():
            batch = host.outbox.take()
            if batch is not None and host.link is not None:
                if host.rank != self.ctx.rank:
                    host.note(batch, self._serials)
                host.link.send(batch)

    async def _bury(self, hosts: Sequence[Host]) -> None:
        with trio.move_on_after(END_TIME):
            for host in hosts:
                if isinstance(host.link, RemoteLink):
                    await host.link.ended.wait()
                elif host.process is not None:
                    await host.process.ended()
        for host in hosts:
            if host.process is not None:
                await self._local.bury(host.userid, host.process, grace=0.0)
            self._hosts.pop((host.rank, host.userid), None)
