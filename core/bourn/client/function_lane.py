"""Python functions in warm workers: each worker is a job of one task that the scheduler placed.

Workers are started as calls come, up to the number asked for, and keep their cores until the executor is shut
down. They connect to a socket in a directory that only the user can enter, and show the token that lies
there.
"""

from __future__ import annotations

import hmac
import os
import pickle
import secrets
import select
import shutil
import socket
import struct
import sys
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bourn.client import calls
from bourn.client.crew import SUPPLY, Call, Crew, Worker
from bourn.client.futures import CallFuture, ExecutorFuture, JobException, WorkerLost
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.client.handle import Handle
    from bourn.client.worker_options import WorkerOptions

READ = 1 << 18
STARTS = 3
"""How many workers in a row may end before they are ready until we give up."""
HELLO_SECONDS = 10.0


class Member(Worker):
    """A worker's connection, once it has said who it is."""

    def __init__(self, connection: socket.socket, jobid: int) -> None:
        super().__init__()
        self.connection = connection
        self.jobid = jobid
        self.frames = calls.Frames()
        self.out = bytearray()
        self.writing = False


class FunctionLane:
    """The function side of an executor; all of it but `call` is the executor's thread's.

    Args:
        h: tells of the instance.
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
        self._poll = poll
        self._crew: Crew[Member] = Crew()
        self._next = 0
        self._lost: dict[int, Call] = {}
        """By job: the call that a worker ran when its connection ended, until we know how it ended."""
        self._early_failures = 0
        self._broken: BaseException | None = None
        self._closing = False
        self._members: dict[int, Member] = {}
        self._strangers: dict[int, tuple[socket.socket, float]] = {}
        self._served: set[int] = set()
        """Jobs whose workers were there."""
        self._jobs: set[ExecutorFuture] = set()
        self._ended: list[ExecutorFuture] = []
        self._most, constraints = _capacity(h, options)
        self._token = secrets.token_bytes(calls.TOKEN_BYTES)
        self._directory = _private_directory()
        self._listener = _listen(self._directory, self._token)
        self._poll.register(self._listener, select.POLLIN)
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
        return HELLO_SECONDS if self._strangers else None

    def turn(self) -> None:
        """Do what can be done now."""
        while self._ended:
            self._job_ended(self._ended.pop())
        now = time.monotonic()
        crew = self._crew
        for member, share in crew.assign(now):
            member.out += b"".join([calls.frame(calls.CALL, call.id, call.payload) for call in share])
            self._write(member)
        for member in crew.stuck(now):
            member.out += calls.frame(calls.GIVE_BACK, 0, b"")
            self._write(member)
        if crew.waiting and not self._closing and len(self._jobs) < self._most:
            ready = sum(1 for worker in crew.workers if worker.room > 0)
            starting = len(self._jobs) - len(crew.workers)
            wanted = min(self._most - len(self._jobs), len(crew.waiting) - ready - starting)
            for _ in range(wanted):
                self._start()
        for fd, (connection, deadline) in list(self._strangers.items()):
            if now > deadline:
                self._dismiss(fd, connection)

    def ready(self, fd: int, events: int) -> bool:
        """Serve a file that `poll` reported; False if it isn't of this lane."""
        if fd == self._listener.fileno():
            self._accept()
            return True
        stranger = self._strangers.get(fd)
        if stranger is not None:
            self._greet(fd, stranger[0])
            return True
        member = self._members.get(fd)
        if member is None:
            return False
        if events & select.POLLOUT:
            self._write(member)
        if events & ~select.POLLOUT and fd in self._members:
            self._read(member)
        return True

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
        for fd, (connection, _) in list(self._strangers.items()):
            self._dismiss(fd, connection)
        self._poll.unregister(self._listener)
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

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
        path = os.path.join(self._directory, "socket")
        command = [sys.executable, "-P", "-m", "bourn.client.worker", path, socket.gethostname()]
        obj = jobspec_build.from_command(command, 1, options.cores, options.gpus or None, **extra)
        if constraints:
            obj["attributes"]["system"]["constraints"] = constraints
        return obj

    def _start(self) -> None:
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
            # A process that it left behind may hold the connection.
            self._read(member)
            if self._members.get(member.connection.fileno()) is member:
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

    # Connections

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", raw)[1] != os.getuid():
            connection.close()
            return
        connection.setblocking(False)
        self._strangers[connection.fileno()] = (connection, time.monotonic() + HELLO_SECONDS)
        self._poll.register(connection, select.POLLIN)

    def _dismiss(self, fd: int, connection: socket.socket) -> None:
        del self._strangers[fd]
        self._poll.unregister(connection)
        connection.close()

    def _greet(self, fd: int, connection: socket.socket) -> None:
        """Take a worker in that shows the token; it sends that in one piece and waits."""
        try:
            token, jobid = calls.HELLO.unpack(connection.recv(calls.HELLO.size))
        except (OSError, struct.error):
            token, jobid = b"", 0
        if not hmac.compare_digest(token, self._token) or self._closing:
            self._dismiss(fd, connection)
            return
        del self._strangers[fd]
        member = self._members[fd] = Member(connection, jobid)
        self._served.add(jobid)
        self._early_failures = 0
        self._crew.workers.append(member)
        member.out += calls.frame(calls.SETUP, 0, self._setup)
        self._write(member)

    def _read(self, member: Member) -> None:
        while True:
            try:
                data = member.connection.recv(READ)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._hang_up(member)
                return
            now = time.monotonic()
            for kind, id, body, usec in member.frames.feed(data):
                self._frame(member, kind, id, body, usec, now)
            if len(data) < READ:
                return

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

    def _write(self, member: Member) -> None:
        out = member.out
        try:
            while out:
                sent = member.connection.send(memoryview(out)[: 1 << 20])
                del out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            # Reading finds the end, and before it what the worker still said.
            out.clear()
        if bool(out) != member.writing:
            member.writing = bool(out)
            self._poll.modify(member.connection, select.POLLIN | (select.POLLOUT if out else 0))

    def _hang_up(self, member: Member) -> None:
        """Part with a worker; the call that it ran is decided once its job has ended."""
        del self._members[member.connection.fileno()]
        self._poll.unregister(member.connection)
        member.connection.close()
        call = self._crew.gone(member)
        if call is not None:
            self._lost[member.jobid] = call


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


def _capacity(h: Handle, options: WorkerOptions) -> tuple[int, dict[str, Any] | None]:
    """Return how many workers there may be, and what keeps them on this host."""
    size = int(h.attr_get("size"))
    here = socket.gethostname()
    constraints = None if size == 1 else {"hostlist": [here]}
    if options.workers is not None:
        return options.workers, constraints
    from bourn.client.resource import resource_list

    up = resource_list(h).up
    hosts = list(up.nodelist)
    cores = sum(
        len(up.cores(rank))
        for rank, host in zip(up.ranks, hosts, strict=True)
        if constraints is None or host == here
    )
    if cores < options.cores:
        where = "the instance" if constraints is None else f"this host, {here},"
        raise BournError(f"{where} has {cores} cores that are up; a worker needs {options.cores}")
    return cores // options.cores, constraints


def _private_directory() -> str:
    for parent in (None, "/tmp"):
        path = tempfile.mkdtemp(prefix="bourn-calls-", dir=parent)
        if len(os.path.join(path, "socket")) < 100:  # what an address can hold
            return path
        os.rmdir(path)
    raise BournError("no temporary directory has a path short enough for a socket")


def _listen(directory: str, token: bytes) -> socket.socket:
    with open(os.path.join(directory, "token"), "xb", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(token)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.path.join(directory, "socket"))
    listener.listen(1024)
    listener.setblocking(False)
    return listener
