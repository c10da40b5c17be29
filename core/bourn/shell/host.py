"""The shell host: takes batches from its broker, runs jobs, and reports what happened, in batches."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.model.jobid import f58_digits
from bourn.shell.job import ShellJob
from bourn.shell.link import Link
from bourn.shell.loop import Loop
from bourn.shell.orphans import kill_children, kill_programs, signal_group
from bourn.shell.private import PrivateJob, PrivateSpec
from bourn.shell.specs import Specs
from bourn.shell.tmpdirs import TmpDirs
from bourn.shell.wire import FromHost

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from bourn.hookspecs.shell import ShellPlugin
    from bourn.shell.jobio import JobIO
    from bourn.shell.loop import Timer
    from bourn.shell.specs import Sent
    from bourn.shell.spool import Spool
    from bourn.shell.wire import Start, Stdin, ToHost

SPAWNS_PER_TURN = 16
"""Jobs started before the loop looks at output, ends and the broker again. With eight, broker and host work
more at the same time, but fewer jobs share a turn of the broker, which costs as much as four of them: on two
cores less gets through."""
NEWS_DELAY = 0.002
"""How long news of starts and output wait for company; the end of a job lets all of it go at once."""
IDLE_GRACE = 2.0
"""Seconds that a host without jobs or news waits for the next broker."""
REPORT_SIZE = 4 << 20
"""Characters of output that make a report on their own."""
SERIALS_KEPT = 256
"""Numbered batches of which is known that they came: far more than a broker has unconfirmed."""
SWEEP_DELAY = 0.1
"""Seconds from the death of tasks to the search for what brokers among them have left."""


class Host:
    """All job shells of one user on one rank. Single-threaded; see `run`."""

    def __init__(
        self,
        listener: socket.socket,
        folder: str,
        plugins: list[ShellPlugin],
        *,
        name: str = "",
        grace: float = 0.0,
        spool: Spool | None = None,
        timeout: float = 60.0,
        disabled: Sequence[str] = (),
        private: bool = False,
    ) -> None:
        self.null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self.name = name or f"{os.getpid()}-{time.time_ns()}"
        self.uri = ""
        self.timeout = timeout
        """Seconds after which the host of one job that doesn't answer is killed."""
        self.disabled = disabled
        """Names of plugins that were left out."""
        self.jobs: dict[int, ShellJob | PrivateJob] = {}
        self.pids: dict[int, Any] = {}
        """Children by process id: a `ShellTask`, or the host of a `PrivateJob`."""
        self.failed: list[tuple[int, float, str, int, str]] = []
        self.written: set[JobIO | PrivateJob] = set()
        self.tmpdirs = TmpDirs(folder, self.name)
        self.loop = Loop(self._reap, self._turn)
        self._folder = folder
        self._grace = grace
        self._patience = grace
        self._specs = Specs(plugins, private=private)
        self._backlog: deque[tuple[Start, Sent | None]] = deque()
        self._ready: list[int] = []
        self._started: list[tuple[int, float]] = []
        self._finished: list[tuple[int, float, int]] = []
        self._usage: list[tuple[int, float, float, float, int]] = []
        self._logs: dict[tuple[int, str], list[str]] = {}
        self._logged = 0
        self._held_back: set[int] = set()
        self._taken: list[int] = []
        self._inputs: set[int] = set()
        self._last_input = 0
        self._serials: deque[int] = deque(maxlen=SERIALS_KEPT)
        self._messages: list[tuple[int, str]] = []
        self._unacked: deque[tuple[int, int, int]] = deque()
        self._ended: deque[tuple[int, int]] = deque()
        self._flush_at: Timer | None = None
        self._bereft: set[str] = set()
        self._link = Link(
            self.loop,
            listener,
            greeting=self._greet,
            received=self._receive,
            lost=self._broker_lost,
            found=self._broker_found,
            spool=spool,
        )
        # A host that nobody ever talks to ends by itself.
        self._giving_up: Timer | None = self.loop.later(max(grace, 10.0), self.end)

    def run(self) -> None:
        """Serve until told to end, or until the broker has been away for the grace time."""
        try:
            self.loop.run()
        finally:
            for job in list(self.jobs.values()):
                job.abandon()
            kill_children()
            self.tmpdirs.close()

    def end(self) -> None:
        """Stop after this turn; what runs is killed."""
        self.loop.stopped = True

    def log(self, job: JobIO | PrivateJob, name: str, lines: str) -> None:
        """Add to a job's log in the next report."""
        self._logs.setdefault((job.id, name), []).append(lines)
        self._logged += len(lines)
        if self._logged > REPORT_SIZE:
            self._report()

    def message(self, level: int, text: str) -> None:
        """Tell the broker's log something."""
        self._messages.append((level, text))

    def ready(self, id: int) -> None:
        """Report that a job that is held could start."""
        self._ready.append(id)

    def started(self, id: int, when: float) -> None:
        """Report the start of a job."""
        self._started.append((id, when))

    def fail(self, id: int, note: str) -> None:
        """Report an exception that ends a job."""
        self.failed.append((id, time.time(), "exec", 0, note))

    def tell_fence(self, job: ShellJob | PrivateJob, key: str, data: dict[str, str]) -> None:
        """Tell the broker a node's part of an exchange; a broker that isn't there is told when it comes."""
        self._link.tell(FromHost(fences=[(job.id, job.place.nodeid, key, data)]))

    def tell_pids(self, id: int, pids: list[tuple[int, int]]) -> None:
        """Answer who asked for a job's processes: (task's rank, process id) each."""
        self._link.tell(FromHost(pids=[(id, pids)]))

    def finish(self, job: ShellJob | PrivateJob) -> None:
        """Report the end of a job."""
        self._finished.append((job.id, time.time(), job.status))
        self._usage.append(job.usage())

    def _receive(self, batch: ToHost) -> None:
        if batch.serial:
            self._taken.append(batch.serial)
            if batch.serial in self._serials:
                return  # its broker couldn't know that it came
            self._serials.append(batch.serial)
        if batch.uri:
            self.uri = batch.uri
        if batch.resume is not None and batch.resume[0] == self.name:
            self._acknowledge(batch.resume[1])
        if batch.ack:
            self._acknowledge(batch.ack)
        self._specs.take(batch)
        for start in batch.start:
            self._backlog.append((start, self._specs.get(start.spec)))
        for id in batch.go:
            if id in self.jobs:
                self.jobs[id].go()
        for id, when in batch.expire:
            if id in self.jobs:
                self.jobs[id].expiration_moved(when)
        for stdin in batch.stdin:
            self._feed(stdin)
        for id, signum in batch.kill:
            self._kill(id, signum)
        for id, ranks, rows, columns in batch.resize:
            self._resize(id, ranks, rows, columns)
        for id, fence, data in batch.fenced:
            if id in self.jobs:
                self.jobs[id].fenced(fence, data)
        for id, nodeid, status in batch.peers:
            if id in self.jobs:
                self.jobs[id].peer_ended(nodeid, status)
        for id in batch.pids:
            if id in self.jobs:
                self.jobs[id].tell_pids()
            else:
                self.tell_pids(id, [])
        if batch.keep:
            self._patience = max(self._grace, batch.keep)
        if batch.ping:
            self._link.tell(FromHost(pong=batch.ping))
        if batch.end:
            self.end()

    def _kill(self, id: int, signum: int) -> None:
        if id not in self.jobs:
            self._start_now(id)
        job = self.jobs.get(id)
        if job is not None and not job.ended:
            job.kill(signum)

    def _feed(self, stdin: Stdin) -> None:
        serial, inputs = stdin.serial, self._inputs
        if 0 < serial <= self._last_input:
            # The broker couldn't know that we have it already.
            if serial not in inputs:
                self._taken.append(serial)
            return
        self._last_input = max(self._last_input, serial)
        inputs.add(serial)

        def taken() -> None:
            inputs.discard(serial)
            self._taken.append(serial)

        if stdin.id not in self.jobs:
            self._start_now(stdin.id)
        job = self.jobs.get(stdin.id)
        if job is not None and not job.ended:
            job.feed_tasks(stdin.ranks, stdin.data, stdin.eof, taken)
        else:
            taken()

    def _resize(self, id: int, ranks: str, rows: int, columns: int) -> None:
        if id not in self.jobs:
            self._start_now(id)
        job = self.jobs.get(id)
        if job is not None and not job.ended:
            job.resize(ranks, rows, columns)

    def _start_now(self, id: int) -> None:
        # What came for a job that still waits in the backlog would be lost: start it first.
        for entry in self._backlog:
            if entry[0].id == id:
                self._backlog.remove(entry)
                self._start(*entry)
                return

    def _start(self, start: Start, sent: Sent | None) -> None:
        spec = self._specs.resolve(sent, start.overrides)
        if isinstance(spec, PrivateSpec):
            try:
                private = PrivateJob(self, spec, start, self._folder)
            except BournError as error:
                spec = error
            else:
                self.jobs[start.id] = private
                self.pids[private.process.pid] = private.process
                return
        if isinstance(spec, BournError):
            self.started(start.id, time.time())
            self.fail(start.id, spec.message)
            self._finished.append((start.id, time.time(), 126 << 8))
            return
        job = self.jobs[start.id] = ShellJob(self, spec, start)
        job.launch()

    def _reap(self) -> None:
        pids, wait4, hang = self.pids, os.wait4, os.WNOHANG
        while True:
            try:
                pid, status, usage = wait4(-1, hang)
            except ChildProcessError:
                return
            if not pid:
                return
            task = pids.pop(pid, None)
            if task is not None:
                # At this instant the number can't belong to anybody else yet.
                task.orphans = signal_group(pid, 0)
                task.status = status
                task.usage = usage
                if os.WIFSIGNALED(status):
                    self._bereave(task.job)
                task.job.task_exited(task)

    def _bereave(self, job: ShellJob | PrivateJob) -> None:
        """Have what a broker has run ended, if it was one that died: it can't do it itself any more."""
        if not self._bereft:
            self.loop.later(SWEEP_DELAY, self._sweep)
        self._bereft.add("ƒ" + f58_digits(job.id))

    def _sweep(self) -> None:
        self._bereft = kill_programs(self._bereft, self.pids)
        if self._bereft:
            self.loop.later(SWEEP_DELAY, self._sweep)

    def _turn(self) -> bool:
        backlog = self._backlog
        for _ in range(min(len(backlog), SPAWNS_PER_TURN)):
            self._start(*backlog.popleft())
        if self._taken or self._ready:
            self._link.tell(FromHost(taken=self._taken, ready=self._ready))
            self._taken, self._ready = [], []
        if self._finished or self.failed:
            self._report()
        elif self._flush_at is None and (self._started or self._logs or self._messages):
            self._flush_at = self.loop.later(NEWS_DELAY, self._report)
        return bool(backlog)

    def _report(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        message = FromHost(
            started=self._started,
            logs=[(id, name, "".join(lines)) for (id, name), lines in self._logs.items()],
            failed=self.failed,
            finished=self._finished,
            usage=self._usage,
            messages=self._messages,
        )
        finished = self._finished
        self._started, self._finished, self._usage, self.failed, self._messages = [], [], [], [], []
        self._logs.clear()
        self._logged = 0
        seq = self._link.report(message)
        for job in self.written:
            self._unacked.append((seq, job.id, job.flushed()))
        for id, _, _ in finished:
            self._ended.append((seq, id))
        if self._link.spooled == seq:
            self._safe(seq)
        elif self._link.full and self.written:
            self._hold_back()
        self.written.clear()

    def _acknowledge(self, seq: int) -> None:
        self._link.acknowledge(seq)
        self._safe(seq)
        ended = self._ended
        while ended and ended[0][0] <= seq:
            self.jobs.pop(ended.popleft()[1], None)

    def _safe(self, seq: int) -> None:
        """The output in reports up to this number is durable, or on our own disk: its jobs may write on."""
        unacked = self._unacked
        while unacked and unacked[0][0] <= seq:
            _, id, size = unacked.popleft()
            if id in self.jobs:
                self.jobs[id].acknowledged(size)

    def _hold_back(self) -> None:
        """Say of jobs, once an absence of the broker, that from here on they may have to wait to write."""
        if not self._held_back:
            text = (
                "while no broker was there, the room on disk for its reports was used up: jobs wait to write"
            )
            self.message(logging.WARNING, text)
        for job in self.written:
            if job.id not in self._held_back:
                self._held_back.add(job.id)
                self.log(
                    job, "guest.exec.eventlog", _event("output-held", "no room to keep it without a broker")
                )

    def _greet(self) -> FromHost:
        jobs = [*self.jobs, *(start.id for start, _ in self._backlog)]
        waiting = [id for id, job in self.jobs.items() if job.waits]
        waiting += [start.id for start, _ in self._backlog if start.hold]
        ready = [id for id, job in self.jobs.items() if job.prepared]
        fences = [(id, job.place.nodeid, *told) for id, job in self.jobs.items() for told in job.fences()]
        return FromHost(
            jobs=jobs,
            host=self.name,
            pid=os.getpid(),
            parts=True,
            confirms=True,
            fences=fences,
            waiting=waiting,
            ready=ready,
        )

    def _broker_found(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        self._patience = self._grace
        self._held_back.clear()

    def _broker_lost(self) -> None:
        if not self._grace:
            self.end()
            return
        alone = min(self._grace, IDLE_GRACE)
        self._giving_up = self.loop.later(alone, partial(self._give_up, self._patience - alone))
        self._link.spill()
        self._safe(self._link.spooled)

    def _give_up(self, more: float) -> None:
        """End for want of a broker: at once without jobs and news, else after so many seconds more.

        Only now is it looked at: the last that a broker sent may be read after it is known to be gone.
        """
        if self.jobs or self._backlog or self._link.owes:
            self._giving_up = self.loop.later(more, self.end)
        else:
            self.end()


def _event(name: str, note: str) -> str:
    """Return a line of a job's exec eventlog (RFC 50)."""
    return f'{{"timestamp":{time.time():.6f},"name":"{name}","context":{{"note":"{note}"}}}}\n'
