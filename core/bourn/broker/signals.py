"""SIGTERM, SIGINT, SIGHUP and SIGALRM: the first ends the instance cleanly, the second at once.

SIGALRM is how a job is told that its time is up, and an instance may be a job.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
TOGETHER_SECONDS = 2.0
"""A signal that follows another one within this time, and is another, is no second wish: who ends a program
often sends SIGTERM with SIGHUP, or after the SIGINT that a terminal has sent to all."""
FORWARDED = (signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """Installed from before the loop starts until after it ends.

    Args:
        at_once: what must be done even when there is no time: runs in the signal handler, then the process
        ends.
    """

    def __init__(self, at_once: Callable[[], None]) -> None:
        self.received: int | None = None
        self._since = 0.0
        self.ignore_interrupt = False
        self._at_once = at_once
        self._stop: Callable[[str], None] | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        for signum in ENDING:
            self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    def forward(self, take: Callable[[int], None]) -> None:
        """Hand over the signals that users send for purposes of their own; without this they act as usual."""
        for signum in FORWARDED:
            self._before[signum] = signal.signal(signum, lambda number, _frame: take(number))

    def connect(self, token: trio.lowlevel.TrioToken, stop: Callable[[str], None]) -> None:
        """Call `stop(reason)` in the loop at the first signal, or now if there was one."""
        self._token, self._stop = token, stop
        if self.received is not None:
            self._pass_on()

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if signum == signal.SIGINT and self.ignore_interrupt:
            return  # the terminal has sent it to the program in the foreground as well, whose affair it is
        if self.received is None:
            self.received, self._since = signum, time.monotonic()
            self._pass_on()
            return
        if signum != self.received and time.monotonic() - self._since < TOGETHER_SECONDS:
            return
        self._at_once()
        os._exit(128 + signum)

    def _pass_on(self) -> None:
        if self._token is not None and self._stop is not None and self.received is not None:
            with suppress(trio.RunFinishedError):  # all is being cleaned up already
                self._token.run_sync_soon(self._stop, f"received {signal.Signals(self.received).name}")
