"""How workers come to the function lane: over a socket on the program's host, or a pipe from anywhere.

A door lets those in that show the token, tells the lane of each as a link, and of what is said over it.
"""

from __future__ import annotations

import hmac
import os
import select
import shutil
import socket
import struct
import tempfile
import time
from typing import TYPE_CHECKING, Protocol

from bourn.client import calls
from bourn.errors import BournError

if TYPE_CHECKING:
    from typing import Any

READ = 1 << 18
HELLO_SECONDS = 10.0


class Link(Protocol):
    """The connection to a worker."""

    def send(self, data: bytes) -> None:
        """Send bytes, now or as soon as the other side takes them."""

    def rest(self) -> bool:
        """Pass on what has come, for a worker that is gone; False if more of it is on its way."""

    def close(self) -> None:
        """End the connection; the lane isn't told."""


class Lane(Protocol):
    """Who is told."""

    def opened(self, link: Any, jobid: int) -> None:
        """Take a worker in."""

    def received(self, link: Any, data: bytes) -> None:
        """Take bytes of a worker."""

    def ended(self, link: Any) -> None:
        """Note that a worker is gone and has said all."""


class SocketLink:
    """A worker's socket."""

    def __init__(self, door: SocketDoor, connection: socket.socket) -> None:
        self.connection = connection
        self._door = door
        self._out = bytearray()
        self._writing = False

    def send(self, data: bytes) -> None:
        """Send bytes, now or when there is room."""
        self._out += data
        self.write()

    def write(self) -> None:
        """Send what there is room for."""
        out = self._out
        try:
            while out:
                sent = self.connection.send(memoryview(out)[: 1 << 20])
                del out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            # Reading finds the end, and before it what the worker still said.
            out.clear()
        if bool(out) != self._writing:
            self._writing = bool(out)
            self._door.watch(self, writing=self._writing)

    def rest(self) -> bool:
        """Pass on what has come; a process that the worker left behind may hold the connection."""
        self._door.read(self)
        return True

    def close(self) -> None:
        """End the connection."""
        self._door.forget(self)
        self.connection.close()


class SocketDoor:
    """A socket in a directory that only the user can enter, beside the token."""

    def __init__(self, token: bytes, poll: select.poll, lane: Lane) -> None:
        self._token = token
        self._poll = poll
        self._lane = lane
        self._links: dict[int, SocketLink] = {}
        self._strangers: dict[int, tuple[socket.socket, float]] = {}
        self._directory = _private_directory()
        self.path = os.path.join(self._directory, "socket")
        self._listener = _listen(self._directory, token)
        self._poll.register(self._listener, select.POLLIN)

    @property
    def strangers(self) -> bool:
        """Whether there is somebody who hasn't shown the token."""
        return bool(self._strangers)

    def ready(self, fd: int, events: int) -> bool:
        """Serve a file that `poll` reported; False if it isn't of this door."""
        if fd == self._listener.fileno():
            self._accept()
            return True
        stranger = self._strangers.get(fd)
        if stranger is not None:
            self._greet(fd, stranger[0])
            return True
        link = self._links.get(fd)
        if link is None:
            return False
        if events & select.POLLOUT:
            link.write()
        if events & ~select.POLLOUT and fd in self._links:
            self.read(link)
        return True

    def expire(self, now: float) -> None:
        """Dismiss those who have said nothing for too long."""
        for fd, (connection, deadline) in list(self._strangers.items()):
            if now > deadline:
                self._dismiss(fd, connection)

    def read(self, link: SocketLink) -> None:
        """Pass on what has come over a link."""
        while link.connection.fileno() in self._links:
            try:
                data = link.connection.recv(READ)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                link.close()
                self._lane.ended(link)
                return
            self._lane.received(link, data)
            if len(data) < READ:
                return

    def watch(self, link: SocketLink, *, writing: bool) -> None:
        """Have `poll` report when there is room, or no more."""
        self._poll.modify(link.connection, select.POLLIN | (select.POLLOUT if writing else 0))

    def forget(self, link: SocketLink) -> None:
        """Forget a link that is closed."""
        if self._links.pop(link.connection.fileno(), None) is not None:
            self._poll.unregister(link.connection)

    def close(self) -> None:
        """Let nobody in any more."""
        for fd, (connection, _) in list(self._strangers.items()):
            self._dismiss(fd, connection)
        self._poll.unregister(self._listener)
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

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
        if not hmac.compare_digest(token, self._token):
            self._dismiss(fd, connection)
            return
        del self._strangers[fd]
        link = self._links[fd] = SocketLink(self, connection)
        self._lane.opened(link, jobid)


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
