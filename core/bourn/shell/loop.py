"""The loop of the shell host: file descriptors, timers and child deaths, in one thread."""

from __future__ import annotations

import os
import select
import signal
from heapq import heappop, heappush
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT

UNWATCHED = 0.01
"""Seconds that a descriptor may be left unwatched, if it is likely to be closed by then."""


class Timer:
    """A call that is due later; `cancel` before it is made."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when

    def cancel(self) -> None:
        """Never make the call."""
        self.callback = None


class Loop:
    """One epoll instance; calls `children` when a child may have died, and `turn` at the end of each turn."""

    def __init__(self, children: Callable[[], None], turn: Callable[[], bool]) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []
        self._unwatched: list[Callable[[], None]] = []
        self._children = children
        self._turn = turn
        self._wake_r, self._wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll.register(self._wake_r, READ)
        self.stopped = False

    def watch(self, fd: int, ready: Callable[[int], None], events: int = READ) -> None:
        """Call `ready(events)` whenever `fd` is ready."""
        self._ready[fd] = ready
        self._epoll.register(fd, events)

    def watch_later(self, watch: Callable[[], None]) -> None:
        """Call `watch` in `UNWATCHED` seconds, to watch what is still open then."""
        if not self._unwatched:
            self.later(UNWATCHED, self._watch_open)
        self._unwatched.append(watch)

    def _watch_open(self) -> None:
        unwatched, self._unwatched = self._unwatched, []
        for watch in unwatched:
            watch()

    def change(self, fd: int, events: int) -> None:
        """Watch `fd` for other events."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd` altogether, hang-up included."""
        del self._ready[fd]
        self._epoll.unregister(fd)

    def close(self, fd: int) -> None:
        """Stop watching `fd`, and close it.

        Closing alone isn't enough: a child that is just being started may hold a copy for an instant longer.
        """
        self.unwatch(fd)
        os.close(fd)

    def later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back once in `delay` seconds."""
        timer = Timer(monotonic() + delay, callback)
        heappush(self._timers, timer)
        return timer

    def run(self) -> None:
        """Serve until `stopped`. `turn` returns whether more work waits, so that the next turn doesn't
        sleep."""
        # The handler does nothing: it is the byte that the interpreter writes for each signal that wakes the
        # loop.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        poll, ready, wake = self._epoll.poll, self._ready, self._wake_r
        more = False
        while not self.stopped:
            for fd, events in poll(0 if more else self._timeout(), 256):
                if fd == wake:
                    os.read(fd, 4096)
                    self._children()
                elif callback := ready.get(fd):
                    callback(events)
            self._fire()
            more = self._turn()

    def _timeout(self) -> float:
        timers = self._timers
        while timers and timers[0].callback is None:
            heappop(timers)
        return max(0.0, timers[0].when - monotonic()) if timers else -1.0

    def _fire(self) -> None:
        timers = self._timers
        if not timers:
            return
        now = monotonic()
        while timers and timers[0].when <= now:
            callback = heappop(timers).callback
            if callback is not None:
                callback()
