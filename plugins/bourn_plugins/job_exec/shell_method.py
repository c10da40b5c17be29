"""The exec method `shell`: real processes, started by the shell hosts of each rank."""

from __future__ import annotations

import signal
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from bourn.config.tables import ExecTable
from bourn.errors import BournError
from bourn.hookspecs.exec_method import Usage
from bourn.hookspecs.store import PARTS
from bourn.model.duration import format_duration
from bourn.model.idset import IdSet, mask_text
from bourn.shell import stdio
from bourn.shell.fences import Gathering
from bourn.shell.waitstatus import worse
from bourn.shell.wire import Start, Stdin
from bourn_plugins.job_exec.deadlines import Deadlines
from bourn_plugins.job_exec.layout import split_job
from bourn_plugins.job_exec.placed import Placed, critical_entry, part_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from bourn.hookspecs.exec_method import ExecPort, StartRequest
    from bourn.model.interned import InternedJobspec
    from bourn.shell.wire import FromHost
    from bourn_plugins.shell_manager.module import ShellManager

DEGRADED = 2
"""Severity of the loss of a node that a job can do without."""
NOT_THERE = "its shell host doesn't have it any more"


class ShellMethod:
    """Splits jobs by node, and puts what the nodes' shells report together."""

    def __init__(self, port: ExecPort) -> None:
        self._port = port
        self._jobs: dict[int, Placed] = {}
        manager: ShellManager | None = port.ctx.provider("shell-manager")
        if manager is None:
            raise BournError("exec method 'shell' needs the module shell-manager")
        self._manager = manager
        self._attached = False
        self._barriers: Deadlines | None = None

    def start(self, jobs: Sequence[StartRequest]) -> None:
        """Start jobs, one batch per user and node."""
        self._attach()
        placed = []
        for request in jobs:
            try:
                placed.append(self._place(request))
            except BournError as error:
                self._refuse(request.id, error.message)
        self._hand_out(placed)

    def _hand_out(self, jobs: Iterable[Placed], ranks: Collection[int] | None = None) -> None:
        """Hand jobs to the hosts of all their nodes, or of some ranks only."""
        batches: dict[tuple[int, int], list[tuple[InternedJobspec, Start]]] = {}
        for placed in jobs:
            request = placed.request
            for rank, start in placed.starts():
                if ranks is None or rank in ranks:
                    batches.setdefault((rank, request.userid), []).append((request.jobspec, start))
        for (rank, userid), batch in batches.items():
            try:
                self._manager.start(rank, userid, batch)
            except BournError as error:
                for _, start in batch:
                    self._refuse(start.id, error.message)

    def reattach(self, jobs: Sequence[tuple[StartRequest, bool]]) -> None:
        """Go on with jobs that their hosts still have; start anew what never started; give up the others."""
        sought: dict[tuple[int, int], list[int]] = {}
        store = self._port.ctx.provider("store").store
        for request, started in jobs:
            try:
                placed = self._place(request)
            except BournError as error:
                self._refuse(request.id, error.message)
                continue
            placed.starting = 0 if started else placed.starting
            placed.started = started
            placed.header = next(iter(store.events(request.id, "guest.output")), None) is not None
            if len(placed.shares) > 1:
                placed.recall("".join(store.events(request.id, PARTS)))
            placed.unknown = set(placed.working)
            for rank in placed.unknown:
                sought.setdefault((rank, request.userid), []).append(request.id)
            if not placed.working:
                self._over(placed, time.time())
        self._attach(sought)

    def host_found(
        self, rank: int, userid: int, greeting: FromHost, reason: str, *, node: bool = False
    ) -> None:
        """Learn what a host of before has; a job goes on, or not, when all its nodes are known."""
        has, waiting, ready = set(greeting.jobs or ()), set(greeting.waiting), set(greeting.ready)
        lost = 0
        for placed in list(self._jobs.values()):
            id = placed.request.id
            if placed.request.userid != userid or not (rank in placed.unknown or rank in placed.working):
                continue
            if rank in placed.working:
                if id not in has:
                    placed.absent[rank] = (reason, node)
                elif rank not in placed.unknown:
                    # Its broker was away: what was said meanwhile hasn't been heard.
                    if id in waiting and not placed.unready:
                        self._manager.go(rank, userid, id)
                    elif id in ready:
                        self.host_ready([id], rank)
                    continue
                else:
                    placed.waiting = placed.waiting and id in waiting
                    if placed.unready and (id in ready or id not in waiting):
                        placed.unready.discard(rank)
            placed.unknown.discard(rank)
            if not placed.unknown:
                lost += self._settle(placed)
        if node:
            self._drain(rank, lost)

    def _settle(self, placed: Placed) -> bool:
        """Go on with a job of which is known which nodes have it; return whether it has lost one."""
        request, now = placed.request, time.time()
        absent, placed.absent = placed.absent, {}
        if not absent:
            line = f'{{"timestamp":{now:.6f},"name":"reattach"}}\n'
            self._port.log([(request.id, "guest.exec.eventlog", line)])
            for rank, status in placed.fallen:
                self._peer_ended(placed, rank, status)  # its shells may not have been told
            if placed.unready is not None and not placed.unready:
                self._go(placed)
        elif not placed.started and placed.waiting and placed.unready != set():
            if placed.unready is not None:
                placed.unready |= absent.keys()
            self._hand_out([placed], absent)
        else:
            # Of a job that runs, or may run, elsewhere, a part can't be started again.
            for rank, (reason, node) in sorted(absent.items()):
                why = reason if node else f"the job was lost: {reason or NOT_THERE}"
                self._lose(placed, rank, now, "node-failure" if node else "exec", why)
                self._manager.sweep(rank, [request.id])
            if not placed.working:
                self._over(placed, now)
            return True
        return False

    def _lose(self, placed: Placed, rank: int, t: float, type: str, reason: str) -> None:
        """Go on without a node if the job can, else fail it."""
        id = placed.request.id
        if placed.critical is None or rank in placed.critical:
            if reason not in placed.notes:
                placed.notes.add(reason)
                self._port.failed([(id, t, type, 0, reason)])
            placed.status = int(signal.SIGKILL)
        else:
            self._port.failed([(id, t, type, DEGRADED, f"{reason}; the job goes on without rank {rank}")])
            self._port.log([(id, PARTS, part_entry("lost", rank, t))])
        placed.started = True
        placed.working.discard(rank)

    def _expect_others(self, placed: Placed) -> None:
        """Fail a job some time after its first node is ready, if others aren't by then."""
        if self._barriers is None:
            self._barriers = Deadlines()
            self._port.ctx.nursery.start_soon(self._barriers.run)
        timeout = self._port.ctx.config.table("exec", ExecTable).barrier_timeout
        if timeout < inf:
            placed.barrier = self._barriers.add(timeout, partial(self._give_up, placed, timeout))

    def _give_up(self, placed: Placed, timeout: float) -> None:
        late = placed.unready or ()
        if self._jobs.get(placed.request.id) is placed and late:
            ranks = mask_text(sum(1 << rank for rank in late))
            which = f"{len(late)} of {len(placed.shares)} nodes (rank {ranks})"
            note = f"start barrier timeout: {which} aren't ready {format_duration(timeout)} after the first"
            self._port.failed([(placed.request.id, time.time(), "exec", 0, note)])
            self._port.flush()

    def _go(self, placed: Placed) -> None:
        if placed.barrier is not None and self._barriers is not None:
            self._barriers.cancel(placed.barrier)
        for rank in placed.working:
            self._manager.go(rank, placed.request.userid, placed.request.id)

    def _over(self, placed: Placed, t: float) -> None:
        """Report the end of a job whose nodes have all ended it."""
        id = placed.request.id
        del self._jobs[id]
        self._port.finished([(id, t, placed.status)], {id: placed.usage} if placed.usage else None)

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Signal all processes of jobs."""
        for id, signum in jobs:
            if placed := self._jobs.get(id):
                for rank in placed.working:
                    self._manager.kill(rank, placed.request.userid, id, signum)

    def expiration(self, id: int, t: float) -> None:
        """Tell the shells."""
        if placed := self._jobs.get(id):
            for rank in placed.working:
                self._manager.expiration(rank, placed.request.userid, id, t)

    def stdin(self, id: int, ranks: str, data: bytes, eof: bool, taken: Callable[[], None]) -> None:
        """Pass input on."""
        placed = self._jobs.get(id)
        if placed is None:
            return
        left = len(placed.working)

        def one_has() -> None:
            nonlocal left
            left -= 1
            if not left:
                taken()

        for rank in placed.working:
            self._manager.stdin(rank, placed.request.userid, Stdin(id, ranks, data, eof), one_has)

    def resize(self, id: int, ranks: str, rows: int, columns: int) -> None:
        """Pass the size of terminals on."""
        if placed := self._jobs.get(id):
            for rank in placed.working:
                self._manager.resize(rank, placed.request.userid, id, ranks, rows, columns)

    def pids(self, id: int, done: Callable[[list[tuple[str, int, int]]], None]) -> None:
        """Find out (host name, task's rank, process id) of the tasks that run; `done` is called with them."""
        placed = self._jobs.get(id)
        if placed is None or not placed.working:
            done([])
            return
        found: list[tuple[str, int, int]] = []
        left = set(placed.working)
        names = placed.hosts()

        def told(rank: int, pids: list[tuple[int, int]]) -> None:
            found.extend((names.get(rank, ""), task, pid) for task, pid in pids)
            left.discard(rank)
            if not left:
                done(sorted(found, key=lambda task: task[1]))

        for rank in sorted(placed.working):
            self._manager.pids(rank, placed.request.userid, id, partial(told, rank))

    def critical(self, id: int, ranks: Collection[int]) -> None:
        """Take which nodes a job can't lose: loss of another is an exception that doesn't end it."""
        placed = self._jobs.get(id)
        if placed is not None and len(placed.shares) > 1:
            placed.critical = ranks
            self._port.log([(id, PARTS, critical_entry(ranks, time.time()))])

    def close(self) -> None:
        """Leave the hosts to the shell-manager."""
        self._manager.detach()

    def host_ready(self, ids: Sequence[int], rank: int) -> None:
        """Let jobs start of which all nodes are ready."""
        for id in ids:
            placed = self._jobs.get(id)
            if placed is not None and placed.unready:
                placed.unready.discard(rank)
                if not placed.unready and not placed.unknown:
                    self._go(placed)
                elif placed.barrier is None:
                    self._expect_others(placed)

    def host_report(
        self, report: FromHost, mark: dict[str, object], durable: Callable[[], None], rank: int
    ) -> None:
        """Take what a host reports and pass it on in one piece."""
        jobs, port = self._jobs, self._port
        if report.started:
            port.started(self._all_started(report.started, rank))
        if report.logs:
            port.log(self._with_headers(report.logs))
        if report.failed:
            port.failed([failure for failure in report.failed if self._is_news(failure)])
        if report.finished:
            over: list[tuple[int, float, int]] = []
            usage = {used[0]: Usage(*used[1:]) for used in report.usage}
            for id, t, status in report.finished:
                placed = jobs.get(id)
                if placed is None:
                    continue
                placed.working.discard(rank)
                if len(placed.shares) > 1:
                    port.log([(id, PARTS, part_entry("end", rank, t, status, usage.get(id)))])
                    placed.add_usage(usage)
                    self._tell_peers(placed, rank, status)
                placed.status = worse(placed.status, status)
                if not placed.working:
                    del jobs[id]
                    over.append((id, t, placed.status))
            port.finished(over, usage)
        port.mark(mark)
        port.when_committed(durable)
        port.flush()

    def host_fences(self, fences: Sequence[tuple[int, int, str, dict[str, str]]]) -> None:
        """Take nodes' parts of exchanges; when all are there, tell all nodes."""
        for id, nodeid, key, data in fences:
            placed = self._jobs.get(id)
            if placed is None:
                continue
            if placed.gathering is None:
                placed.gathering = Gathering(len(placed.shares))
            merged = placed.gathering.told(nodeid, key, data)
            if merged is not None:
                for rank in placed.working:
                    self._manager.fenced(rank, placed.request.userid, id, key, merged)

    def awaited(self, id: int) -> IdSet:
        """Return the tasks on nodes that aren't in an exchange among a job's nodes, though others may be."""
        placed = self._jobs.get(id)
        if placed is None:
            return IdSet()
        came = placed.gathering.came() if placed.gathering is not None else set()
        shares = [share for nodeid, share in enumerate(placed.shares) if nodeid not in came]
        return IdSet(task for share in shares for task in range(share.first, share.first + share.ntasks))

    def host_lost(self, jobs: Sequence[int], reason: str, rank: int, *, node: bool) -> None:
        """Fail the jobs of a host that died. They are over when their other nodes have ended them."""
        lost = [(id, placed) for id in jobs if (placed := self._jobs.get(id)) is not None]
        now = time.time()
        for _, placed in lost:
            self._lose(placed, rank, now, "node-failure" if node else "exec", reason)
            placed.unknown.discard(rank)
            if not placed.unknown:
                placed.working -= placed.absent.keys()
            if not placed.working:
                self._over(placed, now)
        if node:
            self._drain(rank, len(lost))

    def _drain(self, rank: int, lost: int) -> None:
        """Keep jobs from a node that was lost while it ran some."""
        if lost:
            note = f"lost while it ran {lost} job{'s' if lost > 1 else ''}"
            drain = {"targets": str(rank), "reason": note, "mode": "update"}
            self._port.ctx.post("resource.drain", drain)

    def _attach(self, sought: Mapping[tuple[int, int], Collection[int]] | None = None) -> None:
        # Only once the jobs of before are known, lest their reports fall through.
        if not self._attached:
            self._attached = True
            self._manager.attach(self, sought or {})

    def _place(self, request: StartRequest) -> Placed:
        system = request.jobspec.system
        options = system["shell"].get("options") if "shell" in system else None
        shares = split_job(
            request.R, request.jobspec.counts, options.get("per-resource") if options else None
        )
        members = self._port.ctx.members
        for share in shares:
            if (objection := members.objection(share.rank)) is not None:
                raise BournError(objection)
        placed = self._jobs[request.id] = Placed(request, shares)
        return placed

    def _is_news(self, failure: tuple[int, float, str, int, str]) -> bool:
        """Whether another node hasn't said the same: what is wrong with a job is wrong on all of them."""
        id, _, _, _, note = failure
        placed = self._jobs.get(id)
        if placed is None or len(placed.shares) == 1:
            return True
        known = note in placed.notes
        placed.notes.add(note)
        return not known

    def _tell_peers(self, placed: Placed, rank: int, status: int) -> None:
        """Tell the other nodes that this one has ended its tasks: the first, or the first that failed."""
        first = len(placed.working) == len(placed.shares) - 1
        if first or (status and not placed.status):
            self._peer_ended(placed, rank, status)

    def _peer_ended(self, placed: Placed, rank: int, status: int) -> None:
        nodeid = next(n for n, share in enumerate(placed.shares) if share.rank == rank)
        for other in placed.working:
            self._manager.peer_ended(other, placed.request.userid, placed.request.id, nodeid, status)

    def _refuse(self, id: int, note: str) -> None:
        now = time.time()
        self._jobs.pop(id, None)
        self._port.failed([(id, now, "exec", 0, note)])
        self._port.finished([(id, now, int(signal.SIGKILL))])

    def _all_started(self, started: Iterable[tuple[int, float]], rank: int) -> Iterable[tuple[int, float]]:
        for id, t in started:
            placed = self._jobs.get(id)
            if placed is not None:
                placed.starting -= 1
                placed.started = True
                if len(placed.shares) > 1:
                    self._port.log([(id, PARTS, part_entry("start", rank, t))])
                if not placed.starting:
                    yield id, t

    def _with_headers(self, logs: Iterable[tuple[int, str, str]]) -> Iterable[tuple[int, str, str]]:
        for id, name, text in logs:
            placed = self._jobs.get(id)
            if placed is None:
                continue
            if name == "guest.output" and not placed.header:
                placed.header = True
                last = placed.shares[-1]
                text = stdio.header(last.first + last.ntasks) + text
            yield id, name, text
