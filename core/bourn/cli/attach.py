"""Being attached to a job: its output here, our input and signals there, until it ends; the heart of `run`.

One loop waits on the broker's connection, standard input and signals. Ctrl-C is sent to the job's tasks and
warns; a second within two seconds cancels the job, Ctrl-Z then leaves it running and detaches.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from bourn.client import job
from bourn.client.events import ended, entries, watch_log_async
from bourn.client.output import OutputPrinter
from bourn.client.progress import describe, exitcode
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.cli.terminal import LocalTerminal
    from bourn.client.handle import Future, Handle
    from bourn.model.jobid import JobID

FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)
TWICE = 2.0
"""Seconds within which a second Ctrl-C or Ctrl-Z counts."""
CHUNK = 1 << 16


class Attach:
    """One attachment; `run` returns the exit status for the command."""

    def __init__(
        self,
        h: Handle,
        id: JobID,
        *,
        label: bool = False,
        stdin_ranks: str | None = "all",
        show_events: bool = False,
        show_exec: bool = False,
        wait_event: str = "finish",
        quiet: bool = False,
        terminal: bool = False,
        read_only: bool = False,
    ) -> None:
        self._h = h
        self._id = id
        self._printer = OutputPrinter(sys.stdout.buffer, sys.stderr.buffer, label)
        self._stdin_ranks = None if read_only else stdin_ranks
        self._read_only = read_only
        self._show_events = show_events
        self._last_event = wait_event
        self._quiet = quiet
        self._terminal: LocalTerminal | None = None
        if terminal and self._stdin_ranks is not None:
            from bourn.cli.terminal import LocalTerminal

            self._terminal = LocalTerminal()
            self._stdin_ranks = "0"
        self._events: Future | None = watch_log_async(h, id)
        self._output: Future | None = watch_log_async(h, id, "guest.output")
        self._exec: Future | None = watch_log_async(h, id, "guest.exec.eventlog") if show_exec else None
        self._zero: float | None = None
        self._started = False
        self._detached = False
        self._status: int | None = None
        self._failed = False
        self._poll = select.poll()
        self._stdin_open = False
        self._stdin_sent: Future | None = None
        self._interrupted = -TWICE

    def run(self) -> int:
        """Stay attached until the job and its output have ended."""
        # Who only watches leaves by Ctrl-C, as any other program.
        handler = _Signals([] if self._read_only else _signals(self._terminal is not None))
        self._poll.register(self._h.fileno(), select.POLLIN)
        self._poll.register(handler.fileno(), select.POLLIN)
        try:
            while True:
                self._take()
                if self._detached or (self._events is None and self._output is None):
                    break
                for fd, _ in self._poll.poll():
                    if fd == self._h.fileno():
                        self._h.poll()
                    elif fd == 0:
                        self._read_stdin()
                    else:
                        for signum in handler.read():
                            self._signal(signum)
        finally:
            if self._terminal is not None:
                self._terminal.leave()
            handler.close()
        if self._terminal is not None:
            self._tell_end()
        return exitcode(self._status or 0) or int(self._failed)

    def _take(self) -> None:
        """Handle all responses that have arrived."""
        events, self._events = _drain(self._events)
        steps, self._exec = _drain(self._exec)
        output, self._output = _drain(self._output)
        for event in events:
            self._event(event)
        for event in steps:
            self._tell(event, "exec")
        if output:
            self._printer.write(output)
        if self._stdin_sent is not None and self._stdin_sent.is_ready():
            error, self._stdin_sent = self._stdin_sent.error, None
            if error is not None:
                self._stdin_open = False
            elif self._stdin_open:
                self._poll.register(0, select.POLLIN)

    def _event(self, event: Mapping[str, Any]) -> None:
        if self._zero is None:
            self._zero = event["timestamp"]
        name = event["name"]
        if self._show_events:
            self._tell(event, "job")
        if name == "start":
            self._started = True
            self._open_stdin()
        elif name == "exception":
            self._exception(event)
        elif name == "finish":
            self._status = event["context"]["status"]
            if self._terminal is None:
                self._tell_end()
        elif name == "retry":
            self._failed, self._started, self._status = False, False, None
            if not self._quiet:
                context = event["context"]
                print(f"bourn-job: attempt {context['attempt']}, after {context['cause']}", file=sys.stderr)
        if name == self._last_event == "finish" and self._status:
            return  # it may be run again
        if name in (self._last_event, "clean"):
            self._events = None
            if not self._started:
                self._output = None

    def _tell_end(self) -> None:
        text = describe(self._status) if self._status is not None else ""
        if text and not self._quiet:
            print(f"bourn-job: {text}", file=sys.stderr)

    def _exception(self, event: Mapping[str, Any]) -> None:
        context = event["context"]
        self._failed = self._failed or context["severity"] == 0
        if not self._show_events:
            assert self._zero is not None
            print(
                f"{event['timestamp'] - self._zero:.3f}s: job.exception {self._id} type={context['type']} "
                f"severity={context['severity']} {context.get('note', '')}".rstrip(),
                file=sys.stderr,
                end="\r\n" if self._terminal is not None and self._terminal.raw else "\n",
            )

    def _tell(self, event: Mapping[str, Any], origin: str) -> None:
        import json

        offset = event["timestamp"] - (self._zero or event["timestamp"])
        context = " " + json.dumps(event["context"], ensure_ascii=False) if event.get("context") else ""
        print(f"{offset:.3f}s: {origin}.{event['name']}{context}", file=sys.stderr)

    # Standard input.

    def _open_stdin(self) -> None:
        if self._stdin_ranks is None or self._stdin_open:
            return
        try:
            # Reading from a terminal in the background would stop us.
            if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
                return
            self._poll.register(0, select.POLLIN)
        except OSError:
            return
        self._stdin_open = True
        if self._terminal is not None and self._terminal.present:
            self._terminal.enter()
            self._tell_size()

    def _tell_size(self) -> None:
        from bourn.cli.terminal import window_size

        size = window_size()
        if size is not None:
            request = {"id": int(self._id), "ranks": "0", "rows": size[0], "columns": size[1]}
            self._h.rpc("job-exec.resize", request, noresponse=True)

    def _read_stdin(self) -> None:
        try:
            data = os.read(0, CHUNK)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return
            data = b""
        self._poll.unregister(0)
        self._stdin_open = bool(data)
        if data and self._terminal is not None and self._terminal.raw:
            data, self._detached = self._terminal.typed(data)
            if not data:
                if not self._detached:
                    self._poll.register(0, select.POLLIN)
                return
        request: dict[str, Any] = {"id": int(self._id), "ranks": self._stdin_ranks, "eof": not data}
        if data:
            request.update(encode_stdin(data))
        # One request is under way at a time: a job that doesn't read stops us from reading.
        self._stdin_sent = self._h.rpc("job-exec.stdin", request)

    # Signals.

    def _signal(self, signum: int) -> None:
        now = time.monotonic()
        soon = now - self._interrupted < TWICE
        if signum == signal.SIGINT:
            if soon:
                job.cancel_async(self._h, self._id, "interrupted by ctrl-C")
                return
            self._interrupted = now
            print("bourn-job: one more ctrl-C within 2s to cancel or ctrl-Z to detach", file=sys.stderr)
            if self._started:
                job.kill_async(self._h, self._id, signum)
        elif signum == signal.SIGTSTP:
            if soon:
                print("bourn-job: detaching...", file=sys.stderr)
                self._detached = True
            else:
                os.kill(os.getpid(), signal.SIGSTOP)
        elif signum == signal.SIGCONT:
            if self._started:
                self._open_stdin()
        elif signum == signal.SIGWINCH:
            self._tell_size()
        elif self._started:
            job.kill_async(self._h, self._id, signum)
        else:
            job.cancel_async(self._h, self._id, f"interrupted by {signal.Signals(signum).name}")


def encode_stdin(data: bytes) -> dict[str, str]:
    """Return what carries bytes in JSON: text, or base64 where they aren't UTF-8."""
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data": b64encode(data).decode("ascii"), "encoding": "base64"}


def _signals(terminal: bool) -> list[signal.Signals]:
    more = [signal.SIGWINCH] if terminal else []
    return [signal.SIGINT, signal.SIGTSTP, signal.SIGCONT, *FORWARDED, *more]


class _Signals:
    """The signals that we act on, as readable bytes; the handlers before are put back by `close`."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        self._write = write
        self._wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._before = {
            signum: signal.signal(signum, lambda *_: None)
            for signum in signals
            # What our caller ignores (nohup) stays ignored.
            if signal.getsignal(signum) is not signal.SIG_IGN
        }

    def fileno(self) -> int:
        return self._read

    def read(self) -> bytes:
        try:
            return os.read(self._read, 64)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)


def _drain(future: Future | None) -> tuple[list[dict[str, Any]], Future | None]:
    """Return the log entries that have arrived, and the stream unless it has ended; raise what it failed
    with.
    """
    found: list[dict[str, Any]] = []
    while future is not None and future.is_ready():
        try:
            found += entries(future.get())
        except BournError as error:
            if not ended(error):
                raise
            return found, None
        future.reset()
    return found, future
