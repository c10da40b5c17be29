"""The broker's side of a connection to a shell host: batches out, reports in, and is it alive?"""

from __future__ import annotations

import select
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.shell.link import CHUNK
from bourn.shell.wire import FrameError, FromHost, Splitter, ToHost, frame, from_host

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


class HostLink:
    """One connection. `send` never waits; `run` hands each report to a callback until the host is gone."""

    def __init__(self, sock: socket.socket, timeout: float = inf) -> None:
        self._sock = sock
        self._timeout = timeout
        self._pings = 0
        self._asked = 0.0
        """When it was first asked for a sign of life that hasn't come; 0: it isn't waited for."""
        self._heard = False
        self.hung = False
        """Whether it was given up since it has said nothing for the timeout."""
        self._received: Callable[[FromHost], None]
        self._out: deque[memoryview] = deque()
        self._room = trio.Event()
        self.closed = False

    def send(self, batch: ToHost | dict[str, Any]) -> None:
        """Send a batch, or what a JSON decoder made of one, now if the socket takes it."""
        if self.closed:
            return
        self._out.append(memoryview(frame(batch)))
        if len(self._out) == 1:
            self._flush()

    def close(self) -> None:
        """Hang up."""
        if not self.closed:
            self.closed = True
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
            self._room.set()

    async def run(self, received: Callable[[FromHost], None]) -> None:
        """Serve until the host hangs up or is hung up on; returns, never raises for that."""
        self._received = received
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            if self._timeout < inf:
                nursery.start_soon(self._listen_for_life)
            try:
                await self._read()
            except (OSError, trio.ClosedResourceError, FrameError, msgspec.DecodeError):
                pass
            finally:
                self.close()
                nursery.cancel_scope.cancel()

    async def _read(self) -> None:
        splitter = Splitter()
        sock = self._sock
        while True:
            try:
                data = sock.recv(CHUNK)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(sock)
                continue
            if not data:
                return
            self._heard = True
            for body in splitter.feed(data):
                self._received(from_host.decode(body))
            if len(data) < CHUNK:
                await trio.lowlevel.wait_readable(sock)

    async def _listen_for_life(self) -> None:
        """Ask a host that is silent for a sign of life; one that gives none for the timeout is given up."""
        while not self.closed:
            await trio.sleep(self._timeout / 4)
            if self._heard:
                self._heard, self._asked = False, 0.0
            elif not self._asked:
                self._asked = trio.current_time()
                self._pings += 1
                self.send(ToHost(ping=self._pings))
            elif trio.current_time() - self._asked >= self._timeout and not self._waiting():
                self.hung = True
                self.close()

    def _waiting(self) -> bool:
        """Whether something it said waits to be read: then it was us who stood still."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    async def _write(self) -> None:
        while not self.closed:
            await self._room.wait()
            try:
                while self._out and not self.closed:
                    await trio.lowlevel.wait_writable(self._sock)
                    self._flush()
            except (OSError, trio.ClosedResourceError):
                return
            self._room = trio.Event()

    def _flush(self) -> None:
        out = self._out
        try:
            while out:
                sent = self._sock.send(out[0])
                if sent == len(out[0]):
                    out.popleft()
                else:
                    out[0] = out[0][sent:]
        except BlockingIOError:
            self._room.set()
        except OSError:
            # The reader sees the end of the connection, and reports it.
            out.clear()
