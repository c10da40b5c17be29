"""The host's side of the connection to its broker: one at a time, resumed without a gap after a loss.

Reports that no broker is there for go to disk (`bourn.shell.spool`). From there they are sent as fast as the
next broker makes them durable, so that neither side ever holds much of them.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from bourn.shell.loop import READ, WRITE
from bourn.shell.wire import FrameError, FromHost, Splitter, frame, to_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.shell.loop import Loop
    from bourn.shell.spool import Spool
    from bourn.shell.wire import ToHost

CHUNK = 1 << 16
"""Bytes read at once: memory for more would be mapped and unmapped each time."""
REPLAY_WINDOW = 4 << 20
"""Bytes from disk that are sent before the first of them is acknowledged."""
_UCRED = struct.Struct("3i")


class Link:
    """Listens, takes one broker of the same user, receives batches, and keeps reports until acknowledged."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        *,
        greeting: Callable[[], FromHost],
        received: Callable[[ToHost], None],
        lost: Callable[[], None],
        found: Callable[[], None],
        spool: Spool | None = None,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._greeting = greeting
        self._received = received
        self._lost = lost
        self._found = found
        self._peer: socket.socket | None = None
        self._splitter = Splitter()
        self._seq = 0
        self._spool = spool
        self.spooled = 0
        """Number of the last report that went to disk."""
        self._kept: deque[tuple[int, _Data]] = deque()
        self._on_disk = 0
        self._ahead = 0
        self._queue: deque[_Data] = deque()
        self._offset = 0
        self._blocked = False
        self._greeted = False
        listener.setblocking(False)
        loop.watch(listener.fileno(), self._accept)

    def report(self, message: FromHost) -> int:
        """Number, keep and send a report; return its number."""
        self._seq = message.seq = self._seq + 1
        data = frame(message)
        if self._peer is None and self._spool is not None:
            self._kept.append((self._seq, self._put_away(self._seq, data)))
            return self._seq
        self._kept.append((self._seq, data))
        if self._greeted and self._peer is not None:
            self._queue.append(data)
            self._flush()
        return self._seq

    def spill(self) -> None:
        """Move to disk what is in memory, as far as there is room: nobody is there to take it."""
        if self._spool is not None:
            self._kept = deque((seq, self._put_away(seq, data)) for seq, data in self._kept)

    @property
    def owes(self) -> bool:
        """Whether there are reports that nobody has acknowledged."""
        return bool(self._kept)

    @property
    def full(self) -> bool:
        """Whether there was no room on disk for a report since the broker has gone."""
        return self._spool is not None and self._spool.full

    def _put_away(self, seq: int, data: _Data) -> _Data:
        if isinstance(data, tuple):
            return data
        assert self._spool is not None
        place = self._spool.append(data)
        if place is None:
            return data
        self._on_disk += 1
        self.spooled = seq
        return place

    def tell(self, message: FromHost) -> None:
        """Send what is of use only to the broker that is there now."""
        if self._greeted and self._peer is not None:
            self._queue.append(frame(message))
            self._flush()

    def acknowledge(self, seq: int) -> None:
        """Forget the reports up to number `seq`."""
        kept = self._kept
        while kept and kept[0][0] <= seq:
            _, data = kept.popleft()
            if isinstance(data, tuple):
                self._on_disk -= 1
                self._ahead -= data[1]
                if not self._on_disk and self._spool is not None:
                    self._spool.clear()
        if self._queue:
            self._flush()

    def _accept(self, _events: int) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        # The end of the connection before may be waiting to be seen.
        while self._peer is not None and _hung_up(self._peer):
            self._ready(READ)
        # The listening socket is 0600 as well; root may come in too.
        if self._peer is not None or _UCRED.unpack(credentials)[1] not in (os.getuid(), 0):
            peer.close()
            return
        peer.setblocking(False)
        self._peer = peer
        self._splitter = Splitter()
        self._offset = 0
        self._blocked = False
        self._greeted = False
        self._queue.clear()
        self._loop.watch(peer.fileno(), self._ready)
        self._found()

    def _greet(self) -> None:
        """Tell a broker that has just come what there is, and again what it hasn't acknowledged."""
        self._greeted = True
        self._ahead = 0
        self._queue = deque([frame(self._greeting()), *(data for _, data in self._kept)])
        self._flush()

    def _ready(self, events: int) -> None:
        peer = self._peer
        if peer is None:
            return
        if events & WRITE:
            self._flush()
        if events & ~WRITE:
            try:
                data = peer.recv(CHUNK)
                if not data:
                    self._drop()
                for body in self._splitter.feed(data):
                    self._received(to_host.decode(body))
                    if not self._greeted:
                        self._greet()
            except BlockingIOError:
                pass
            except (OSError, FrameError, msgspec.DecodeError):
                self._drop()

    def _flush(self) -> None:
        peer, queue = self._peer, self._queue
        if peer is None:
            return
        patient = False
        try:
            while queue:
                data = queue[0]
                if isinstance(data, tuple):
                    if self._ahead >= REPLAY_WINDOW:
                        patient = True  # goes on with the next acknowledgement
                        break
                    assert self._spool is not None
                    self._ahead += data[1]
                    data = queue[0] = bytearray(self._spool.read(*data))
                self._offset += peer.send(memoryview(data)[self._offset :] if self._offset else data)
                if self._offset == len(data):
                    queue.popleft()
                    self._offset = 0
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            # It is gone. What it has sent before is still to be read, up to the end of the connection.
            queue.clear()
        except OSError:
            self._drop()
            return
        blocked = bool(queue) and not patient
        if self._blocked != blocked:
            self._blocked = blocked
            self._loop.change(peer.fileno(), READ | WRITE if blocked else READ)

    def _drop(self) -> None:
        if self._peer is not None:
            self._loop.close(self._peer.detach())
            self._peer = None
            self._queue.clear()
            self._lost()


_Data: TypeAlias = "bytearray | tuple[int, int]"
"""A report: its frame, or where that lies on disk."""


def _hung_up(peer: socket.socket) -> bool:
    poll = select.poll()
    poll.register(peer, select.POLLRDHUP)
    return bool(poll.poll(0))
