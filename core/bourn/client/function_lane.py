"""Python functions in warm workers: each worker is a job of one task that the scheduler placed.

Workers are started as calls come, up to the number asked for, and keep their cores until the executor is shut
down, or until they have been idle for as long as they may. They show a token at one of two doors: a socket in
a directory that only the user can enter, or, from other hosts, a pipe over the instance's brokers.
"""

from __future__ import annotations

import os
import pickle
import secrets
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bourn.client import calls
from bourn.client.crew import SUPPLY, Call, Crew, Worker
from bourn.client.doors import HELLO_SECONDS, SocketDoor
from bourn.client.futures import CallFuture, ExecutorFuture, JobException, WorkerLost
from bourn.client.handle import Handle
from bourn.client.pipe import PipeService
from bourn.errors import BournError

if TYPE_CHECKING:
    import select
    from collections.abc import Callable

    from bourn.client.doors import Link
    from bourn.client.worker_options import WorkerOptions

STARTS = 3
"""How many workers in a row may end before they are ready until we give up."""
REST_SECONDS = 10.0
"""How long we wait for what a worker said whose job has ended."""


class Member(Worker):
    """A worker that has said who it is."""

    def __init__(self, link: Link, jobid: int) -> None:
        super().__init__()
        self.link = link
        self.jobid = jobid
        self.frames = calls.Frames()


class FunctionLane:
    """The function side of an executor; all of it but `call` is the executor's thread's.

    Args:
        h: the thread's connection.
        options: of the workers.
        submit: submits a worker's job.
        poll: the thread's.
    """

    def __init__(
        self,
        h: Handle,
        options: WorkerOptions,
        submit: Callable[[dict[str, Any]], ExecutorFuture],
        poll: select.poll,
    ) -> None:
        self._options = options
        self._submit = submit
        self._crew: Crew[Member] = Crew()
        self._next = 0
        self._lost: dict[int, Call] = {}
        """By job: the call that a worker ran when its connection ended, until we know how it ended."""
        self._early_failures = 0
        self._broken: BaseException | None = None
        self._closing = False
        self._members: dict[Link, Member] = {}
        self._parting: dict[int, tuple[ExecutorFuture, float]] = {}
        """By job: it has ended, but what its worker said hasn't all come; until when we wait for that."""
        self._served: set[int] = set()
        """Jobs whose workers were there."""
        self._jobs: set[ExecutorFuture] = set()
        self._ended: list[ExecutorFuture] = []
        self._h = h
        with Handle(h.uri) as asking:
            self._most, self._rank, constraints = _places(asking, options)
        self._token = secrets.token_bytes(calls.TOKEN_BYTES)
        self._service = f"calls-{secrets.token_hex(8)}"
        self._door = SocketDoor(self._token, poll, self)
        self._pipes: PipeService | None = None
        initializer, initargs = options.setup
        packed = None if initializer is None else calls.pack_call(initializer, initargs, {})
        # What a worker sends back may be of the main script, which is called __mp_main__ there.
        sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
        self._setup = pickle.dumps((sys.path, calls.main_source(), packed))
        self._jobspec = self._make_jobspec(constraints)

    def call(self, future: CallFuture, function: object, payload: bytes) -> None:
        """Queue a call."""
        if self._broken is not None:
            _fail(future, self._broken)
            return
        self._next += 1
        self._crew.waiting.append(Call(self._next, future, function, payload))

    @property
    def hungry(self) -> bool:
        """Whether a new call should wake the thread: otherwise it looks at the queue soon anyway."""
        return self._crew.hungry or len(self._jobs) < self._most

    @property
    def idle(self) -> bool:
        """Whether every call has ended."""
        return self._crew.idle and not self._lost

    @property
    def closed(self) -> bool:
        """Whether there is no worker left, either."""
        return self._closing and not self._jobs

    def timeout(self) -> float | None:
        """Return the seconds after which `turn` is due though nothing happens."""
        if self._crew.crowded:
            return SUPPLY
        found = HELLO_SECONDS if self._door.strangers or self._parting else None
        begun = self._crew.idle_since if self._options.idle_timeout is not None else None
        if begun is None or self._options.idle_timeout is None:
            return found
        left = max(begun + self._options.idle_timeout - time.monotonic(), 0)
        return left if found is None else min(left, found)

    def turn(self) -> None:
        """Do what can be done now."""
        now = time.monotonic()
        self._ended += [job for job, deadline in self._parting.values() if now >= deadline]
        while self._ended:
            self._job_ended(self._ended.pop())
        crew = self._crew
        for member, share in crew.assign(now):
            member.link.send(b"".join([calls.frame(calls.CALL, call.id, call.payload) for call in share]))
        for member in crew.stuck(now):
            member.link.send(calls.frame(calls.GIVE_BACK, 0, b""))
        if crew.waiting and not self._closing and len(self._jobs) < self._most:
            ready = sum(1 for worker in crew.workers if worker.room > 0)
            starting = len(self._jobs) - len(crew.workers)
            wanted = min(self._most - len(self._jobs), len(crew.waiting) - ready - starting)
            for _ in range(wanted):
                self._start()
        self._door.expire(now)
        idle = self._options.idle_timeout
        if idle is not None:
            for member in [m for m in crew.workers if not m.calls and now - m.since >= idle]:
                self._hang_up(member)

    def ready(self, fd: int, events: int) -> bool:
        """Serve a file that `poll` reported; False if it isn't of this lane."""
        return self._door.ready(fd, events)

    def cancel_waiting(self) -> None:
        """Cancel the calls that no worker has."""
        for call in list(self._crew.waiting):
            call.future.cancel()

    def close(self) -> None:
        """Let the workers go: their connections end."""
        if self._closing:
            return
        self._closing = True
        for member in list(self._members.values()):
            self._hang_up(member)
        for job in list(self._jobs):
            job.cancel()
        self._door.close()

    def fail(self, error: BaseException) -> None:
        """End every call with an error."""
        self._broken = error
        waiting = [*self._crew.waiting, *self._lost.values()]
        self._crew.waiting.clear()
        self._lost.clear()
        for worker in self._crew.workers:
            waiting += worker.calls.values()
            worker.calls.clear()
        for call in waiting:
            _fail(call.future, error)

    # Jobs

    def _make_jobspec(self, constraints: dict[str, Any] | None) -> dict[str, Any]:
        from bourn.model import jobspec_build

        options = self._options
        extra = {"name": "function-worker", "cwd": os.getcwd(), **options.extra}
        command = [sys.executable, "-P", "-m", "bourn.client.worker", self._door.path, socket.gethostname()]
        if self._rank is not None:
            command += [self._service, str(self._rank)]
        obj = jobspec_build.from_command(command, 1, options.cores, options.gpus or None, **extra)
        if constraints:
            obj["attributes"]["system"]["constraints"] = constraints
        if self._rank is not None:
            # Only the user and the instance's owner, who is the same, can read it.
            obj["attributes"]["system"].setdefault("environment", {})[calls.TOKEN] = self._token.hex()
        return obj

    def _start(self) -> None:
        if self._rank is not None and self._pipes is None:
            self._pipes = PipeService(self._h, self._service, self._token, self._most, self)
        job = self._submit(self._jobspec)
        self._jobs.add(job)
        job.add_done_callback(lambda _: self._ended.append(job))

    def _job_ended(self, job: ExecutorFuture) -> None:
        self._jobs.discard(job)
        if job.cancelled():
            return
        error = job.exception()
        if isinstance(error, OSError):
            self._give_up(BournError(f"a function worker is refused: {error.strerror}"))
            return
        jobid = job.jobid()
        member = next((m for m in self._members.values() if m.jobid == jobid), None)
        if member is not None:
            now = time.monotonic()
            if not member.link.rest() and now < self._parting.setdefault(jobid, (job, now + REST_SECONDS))[1]:
                return
            self._parting.pop(jobid, None)
            self._hang_up(member)
        how = _how_it_ended(job)
        call = self._lost.pop(jobid, None)
        if call is not None:
            self._retry(call, f"the worker that ran {calls.name_of(call.function)}, job {jobid}, {how}")
        elif member is None and not self._closing and jobid not in self._served:
            self._early_failures += 1
            if self._early_failures >= STARTS:
                why = f"function workers don't start: job {jobid} {how}; `bourn job attach {jobid}` shows why"
                self._give_up(BournError(why))

    def _retry(self, call: Call, why: str) -> None:
        call.lost += 1
        if call.lost <= self._options.retries:
            self._crew.waiting.appendleft(call)
        else:
            _fail(call.future, WorkerLost(why))

    def _give_up(self, error: BaseException) -> None:
        from concurrent.futures import BrokenExecutor

        broken = BrokenExecutor(str(error))
        broken.__cause__ = error
        self.fail(broken)
        for job in list(self._jobs):
            job.cancel()

    # Workers

    def opened(self, link: Link, jobid: int) -> None:
        """Take a worker in that has shown the token."""
        if self._closing:
            link.close()
            return
        member = self._members[link] = Member(link, jobid)
        self._served.add(jobid)
        self._early_failures = 0
        member.since = time.monotonic()
        self._crew.workers.append(member)
        link.send(calls.frame(calls.SETUP, 0, self._setup))

    def received(self, link: Link, data: bytes) -> None:
        """Take what a worker says."""
        member = self._members.get(link)
        if member is None:
            return
        now = time.monotonic()
        for kind, id, body, usec in member.frames.feed(data):
            self._frame(member, kind, id, body, usec, now)

    def ended(self, link: Link) -> None:
        """Part with a worker; the call that it ran is decided once its job has ended."""
        member = self._members.pop(link, None)
        if member is None:
            return
        call = self._crew.gone(member)
        if call is not None:
            self._lost[member.jobid] = call
        job = self._parting.pop(member.jobid, None)
        if job is not None:
            self._ended.append(job[0])

    def _hang_up(self, member: Member) -> None:
        member.link.close()
        self.ended(member.link)

    def _frame(self, member: Member, kind: int, id: int, body: bytes, usec: int, now: float) -> None:
        if kind == calls.RETURNED:
            self._crew.returned(member, pickle.loads(body))
            return
        if kind == calls.NOT_SET_UP:
            error = calls.unpack_error(body)
            self._give_up(BournError(f"the workers' initializer failed: {type(error).__name__}: {error}"))
            return
        call = self._crew.ended(member, id, usec / 1e6, now)
        if call is None:
            return
        try:
            value = calls.unpack_error(body) if kind == calls.ERROR else pickle.loads(body)
        except Exception as error:  # whatever their __setstate__ does
            reason = f"{type(error).__name__}: {error}"
            name = calls.name_of(call.function)
            _fail(call.future, BournError(f"what {name} returned can't be read here: {reason}"))
            return
        if kind == calls.ERROR:
            _fail(call.future, value)
        else:
            call.future.set_result(value)


def _fail(future: CallFuture, error: BaseException) -> None:
    from concurrent.futures import InvalidStateError

    with suppress(InvalidStateError):  # cancelled
        future.set_exception(error)


def _how_it_ended(job: ExecutorFuture) -> str:
    error = job.exception()
    if isinstance(error, JobException):
        return f"ended by an exception: {error.type} {error.note}".rstrip()
    code = job.result()
    if code < 0:
        import signal

        return f"was killed by signal {-code} ({signal.strsignal(-code)})"
    return f"exited with status {code}"


def _places(h: Handle, options: WorkerOptions) -> tuple[int, int | None, dict[str, Any] | None]:
    """Return how many workers there may be, the rank that they find the program at from other hosts, and what
    keeps them on this one: in an instance of somebody else's, whose brokers might read along.
    """
    rank = int(h.attr_get("rank")) if int(h.attr_get("security.owner")) == os.getuid() else None
    here = socket.gethostname()
    constraints = None if rank is not None or int(h.attr_get("size")) == 1 else {"hostlist": [here]}
    if options.workers is not None:
        return options.workers, rank, constraints
    from bourn.client.resource import resource_list

    up = resource_list(h).up
    hosts = list(up.nodelist)
    places = [
        len(up.cores(rank)) // options.cores
        for rank, host in zip(up.ranks, hosts, strict=True)
        if constraints is None or host == here
    ]
    if not sum(places):
        where = "the instance" if constraints is None else f"this host, {here},"
        most = max((len(up.cores(rank)) for rank in up.ranks), default=0)
        raise BournError(f"{where} has {most} cores that are up on a node; a worker needs {options.cores}")
    return sum(places), rank, constraints
