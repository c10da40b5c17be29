"""A function worker: runs the calls of one program, one by one.

`python -m bourn.client.worker SOCKET HOST [SERVICE RANK]` is started by the program as a job. The program
listens at the socket, and on other hosts than its own can be reached as a service. The worker ends with the
program: a thread of its own reads, so that it sees that even while a call runs.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from queue import Empty, SimpleQueue
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from bourn.client import calls
from bourn.client.worker_options import BEING_IMPORTED
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable

READ = 1 << 18


class Connection(Protocol):
    """What leads to the program."""

    def recv(self, size: int, /) -> bytes:
        """Wait for bytes; none at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Send bytes."""


class MainModule(ModuleType):
    """Stands for `__main__`: the program's main script is run, under another name, once something of it is
    wanted.
    """

    def __init__(self, source: tuple[str, str] | None) -> None:
        super().__init__("__main__")
        self._source = source

    def __getattr__(self, name: str) -> Any:
        source = self.__dict__.get("_source")
        if source is None or name.startswith("__"):
            raise AttributeError(f"the worker has no '{name}' of the program's __main__")
        self._source = None
        self._run(*source)
        return getattr(self, name)

    def _run(self, kind: str, where: str) -> None:
        import runpy

        sys.modules["__mp_main__"] = self
        setattr(self, BEING_IMPORTED, where)
        if kind == "module":
            content = runpy.run_module(where, run_name="__mp_main__", alter_sys=True)
            sys.modules["__mp_main__"] = self
        else:
            content = runpy.run_path(where, run_name="__mp_main__")
        delattr(self, BEING_IMPORTED)
        self.__dict__.update(content)


class Worker:
    """The two threads' shared state: calls that wait, and the socket, which both write to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._calls: SimpleQueue[tuple[int, int, bytes]] = SimpleQueue()

    def read(self) -> None:
        """Be the thread that reads; the process ends with its connection."""
        frames = calls.Frames()
        try:
            while data := self._connection.recv(READ):
                for kind, id, body, _ in frames.feed(data):
                    if kind == calls.GIVE_BACK:
                        self._give_back()
                    else:
                        self._calls.put((kind, id, body))
        except OSError:
            pass
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def work(self) -> None:
        """Run calls for as long as the program is there."""
        function: Callable[..., Any]
        while True:
            kind, id, body = self._calls.get()
            if kind == calls.SETUP:
                self._set_up(body)
                continue
            begin = perf_counter()
            function = _unreadable
            try:
                function, args, kwargs = pickle.loads(body)
                del body
                value = function(*args, **kwargs)
                answer = calls.pack_result(function, value)
                del args, kwargs, value
            except BaseException as error:  # SystemExit too: the worker isn't the call's to end
                if function is _unreadable:
                    error = BournError(f"the worker can't make out the call: {type(error).__name__}: {error}")
                self._send(calls.ERROR, id, calls.pack_error(error), begin)
            else:
                self._send(calls.RESULT, id, answer, begin)
                del answer

    def _set_up(self, body: bytes) -> None:
        path, main, initializer = pickle.loads(body)
        sys.path[:] = path
        sys.modules["__main__"] = MainModule(main)
        if initializer is None:
            return
        try:
            function, args, kwargs = pickle.loads(initializer)
            function(*args, **kwargs)
        except BaseException as error:
            self._send(calls.NOT_SET_UP, 0, calls.pack_error(error))

    def _give_back(self) -> None:
        ids = []
        setup = None
        try:
            while True:
                item = self._calls.get_nowait()
                if item[0] == calls.SETUP:
                    setup = item
                else:
                    ids.append(item[1])
        except Empty:
            pass
        if setup is not None:
            self._calls.put(setup)
        self._send(calls.RETURNED, 0, pickle.dumps(ids))

    def _send(self, kind: int, id: int, body: bytes, begin: float = 0.0) -> None:
        usec = min(int((perf_counter() - begin) * 1e6), 0xFFFFFFFF) if begin else 0
        try:
            with self._lock:
                self._connection.sendall(calls.frame(kind, id, body, usec))
        except OSError:
            os._exit(0)


def _unreadable() -> None:
    """Stands for a function that couldn't be unpickled."""


def connect(path: str, host: str, service: str = "", rank: str = "") -> Connection:
    """Connect to the program and say who we are; BournError when it isn't to be found from here.

    Args:
        path: the program's socket.
        host: where that is.
        service: what the program is to be found as over the instance's brokers, if it is.
        rank: the rank of its broker.
    """
    from bourn.model.jobid import JobID

    text = os.environ.get("BOURN_JOB_ID", "")
    jobid = int(JobID.parse(text)) if text else 0
    secret = os.environ.pop(calls.TOKEN, "")
    here = socket.gethostname()
    if here == host:
        try:
            return _socket(path, jobid)
        except OSError as error:
            if not service:
                raise BournError(f"the program that this worker is to serve has ended ({error})") from None
    elif not service:
        raise BournError(
            f"this worker runs on host {here}, but the program that it is to serve runs on {host}: "
            "in an instance of another user's, function workers must be on the program's host"
        )
    from bourn.client.handle import Handle
    from bourn.client.pipe import Pipe

    try:
        return Pipe(Handle(), service, int(rank), secret, jobid)
    except BournError as error:
        raise BournError(f"the program that this worker is to serve has ended ({error.message})") from None


def _socket(path: str, jobid: int) -> socket.socket:
    with open(os.path.join(os.path.dirname(path), "token"), "rb") as file:
        token = file.read()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    connection.sendall(calls.HELLO.pack(token, jobid))
    return connection


def main() -> int:
    """Serve the program at the socket that the arguments name."""
    try:
        connection = connect(*sys.argv[1:5])
    except BournError as error:
        print(f"bourn worker: {error.message}", file=sys.stderr)
        return 1
    worker = Worker(connection)
    threading.Thread(target=worker.read, name="bourn-worker-reader", daemon=True).start()
    worker.work()
    return 0


if __name__ == "__main__":
    # Classes that are pickled here belong to the module, not to a script.
    from bourn.client.worker import main as main_

    sys.exit(main_())
