"""A job in a shell host of its own: `-o isolate`, or with shell plugins of the user's, `-o initrc=FILE.py`.

To the rest of the host it is a job like others. It starts another host, is its broker, and passes on what
goes in and what comes out. What a private plugin does, a crash included, harms this job only.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError
from bourn.model.jobid import f58_digits
from bourn.shell.deaf import DEAF_TO
from bourn.shell.link import CHUNK
from bourn.shell.loop import READ, WRITE
from bourn.shell.orphans import signal_session
from bourn.shell.tmpdirs import root_of
from bourn.shell.wire import FrameError, FromHost, Splitter, Start, Stdin, ToHost, frame, from_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from resource import struct_rusage

    from bourn.shell.host import Host

KILL_TIME = 2.0
"""Seconds that the private host has to carry out a SIGKILL before it is killed itself."""
_CHILD_FD = 3


class PrivateSpec:
    """A jobspec whose jobs get hosts of their own; `plugins` are the files to load there."""

    def __init__(self, text: msgspec.Raw, cwd: str, options: Mapping[str, Any]) -> None:
        self.text = text
        given = [(name, options[name]) for name in ("initrc", "userrc") if name in options]
        for name, value in given:
            if not isinstance(value, str) or not value:
                raise BournError(f"-o {name}={value}: right is the path of a Python file")
        self.plugins = [os.path.join(cwd, value) for _, value in given]


def is_private(options: Mapping[str, Any]) -> bool:
    """Return whether these shell options ask for a host of its own."""
    isolate = options.get("isolate", False)
    if isolate not in (True, 1, "1", "on", "true", "yes", "", False, 0, "0", "off", "false", "no"):
        raise BournError(f"-o isolate={isolate}: right is on or off")
    return isolate in (True, 1, "1", "on", "true", "yes", "") or "initrc" in options or "userrc" in options


class PrivateJob:
    """One job, and the host that it has."""

    def __init__(self, host: Host, spec: PrivateSpec, place: Start, folder: str) -> None:
        self._host = host
        self.id = place.id
        self.place = place
        self.status = 0
        self.ended = False
        self.waits = place.hold
        """Whether it is held until all the job's nodes are ready."""
        self.prepared = False
        """Whether it is held, and could start as far as this node is concerned."""
        self.process = _Process(self)
        self._folder = folder
        self._name = ""
        self._since = time.time()
        self._usage: tuple[int, float, float, float, int] | None = None
        self._taken: dict[int, Callable[[], None]] = {}
        self._serial = 0
        self._relayed = 0
        self._fences: list[tuple[str, dict[str, str]]] = []
        self._splitter = Splitter()
        self._out = bytearray()
        self._blocked = False
        self._socket: socket.socket | None = None
        self._heard = True
        self._asked = 0.0
        self._hung = False
        self._launch(spec, folder)
        again = msgspec.structs.replace(place, spec=1)
        self._send(ToHost(uri=host.uri, specs=[(1, spec.text)], start=[again]))
        self._host.loop.later(host.timeout / 4, self._listen_for_life)

    def go(self) -> None:
        """Let the tasks start that were held."""
        self.waits = self.prepared = False
        self._send(ToHost(go=[self.id]))

    def kill(self, signum: int) -> None:
        """Send a signal to the tasks."""
        self._send(ToHost(kill=[(self.id, signum)]))
        if signum == signal.SIGKILL:
            self._host.loop.later(KILL_TIME, self._kill_host)

    def tell_pids(self) -> None:
        """Pass the question on."""
        self._send(ToHost(pids=[self.id]))

    def feed_tasks(self, ranks: str, data: bytes, eof: bool, taken: Callable[[], None]) -> None:
        """Pass input on."""
        self._serial += 1
        self._taken[self._serial] = taken
        self._send(ToHost(stdin=[Stdin(self.id, ranks, data, eof, self._serial)]))

    def resize(self, ranks: str, rows: int, columns: int) -> None:
        """Pass the size of terminals on."""
        self._send(ToHost(resize=[(self.id, ranks, rows, columns)]))

    def expiration_moved(self, when: float) -> None:
        """Pass it on."""
        self._send(ToHost(expire=[(self.id, when)]))

    def fenced(self, key: str, data: dict[str, str]) -> None:
        """Pass the result of an exchange on."""
        self._send(ToHost(fenced=[(self.id, key, data)]))

    def peer_ended(self, nodeid: int, status: int) -> None:
        """Pass it on."""
        self._send(ToHost(peers=[(self.id, nodeid, status)]))

    def fences(self) -> list[tuple[str, dict[str, str]]]:
        """Return what was given to exchanges."""
        return self._fences

    def flushed(self) -> int:
        """Return the number of the last report of the private host that is in the report being made."""
        return self._relayed

    def acknowledged(self, relayed: int) -> None:
        """Note that all up to that report is durable."""
        self._send(ToHost(ack=relayed))

    def usage(self) -> tuple[int, float, float, float, int]:
        """Return what the tasks have used."""
        return self._usage or (self.id, time.time() - self._since, 0.0, 0.0, 0)

    def task_exited(self, process: _Process) -> None:
        """The private host has ended."""
        self._hear()
        self._hang_up()
        # Its tasks belong to its session.
        signal_session(process.pid, signal.SIGKILL)
        self._tidy()
        if not self.ended:
            how = "ended by itself"
            if process.status and process.status & 0x7F:
                how = f"ended by signal {signal.Signals(process.status & 0x7F).name}"
            if self._hung:
                how = f"didn't answer for {self._host.timeout:g} s and was killed"
            self._host.fail(self.id, f"the job's own shell host {how}")
            self.status = int(signal.SIGKILL)
            self._finish()

    def abandon(self) -> None:
        """Kill everything, without a report."""
        self.ended = True
        self._kill_host()
        self._tidy()

    def _launch(self, spec: PrivateSpec, folder: str) -> None:
        listener = socket.socket(socket.AF_UNIX)
        try:
            # The kernel finds a name that is free; only we may connect (the peer's credentials).
            listener.bind("")
            listener.listen(1)
            command = [sys.executable, "-m", "bourn.shell", "--fd", str(_CHILD_FD), "--grace", "0"]
            command += ["--dir", folder, "--disable", ",".join(self._host.disabled)]
            command += ["--private", str(self.id)]
            for path in spec.plugins:
                command += ["--plugin", path]
            dup2 = os.POSIX_SPAWN_DUP2
            self.process.pid = os.posix_spawn(
                sys.executable,
                command,
                # By these it is found should the user's host die while it hangs.
                {**os.environ, "BOURN_JOB_ID": "ƒ" + f58_digits(self.id), "BOURN_URI": self._host.uri},
                file_actions=(
                    (dup2, self._host.null, 0),
                    (dup2, self._host.null, 1),
                    (dup2, listener.fileno(), _CHILD_FD),
                ),
                setsid=True,
                setsigmask=DEAF_TO,
                setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP),
            )
            sock = self._socket = socket.socket(socket.AF_UNIX)
            sock.connect(listener.getsockname())
        except OSError as error:
            raise BournError(f"the job's own shell host can't be started: {error.strerror}") from error
        finally:
            listener.close()
        sock.setblocking(False)
        self._host.loop.watch(sock.fileno(), self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE:
            self._hear()

    def _hear(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(CHUNK)
                self._heard = True
                for body in self._splitter.feed(data):
                    self._received(from_host.decode(body))
            except BlockingIOError:
                return
            except (OSError, FrameError, msgspec.DecodeError):
                data = b""
            if not data:
                # The end of the process, which is sure to follow, tells the rest.
                self._hang_up()

    def _received(self, report: FromHost) -> None:
        host = self._host
        self._name = report.host or self._name
        for serial in report.taken:
            self._taken.pop(serial, lambda: None)()
        for _, _, key, data in report.fences:
            self._fences.append((key, data))
            host.tell_fence(self, key, data)
        for id, pids in report.pids:
            host.tell_pids(id, pids)
        for id in report.ready:
            self.prepared = self.waits
            host.ready(id)
        for level, text in report.messages:
            host.message(level, f"job {self.id}: {text}")
        if not report.seq or self.ended:
            return
        self._relayed = report.seq
        host.written.add(self)
        for id, when in report.started:
            host.started(id, when)
        for _, name, lines in report.logs:
            host.log(self, name, lines)
        host.failed += report.failed
        for _, _, status in report.finished:
            self.status = status
            self._usage = next(iter(report.usage), None)
            self._finish()
            self._send(ToHost(end=True))

    def _finish(self) -> None:
        self.ended = True
        self.waits = self.prepared = False
        taken, self._taken = self._taken, {}
        for callback in taken.values():
            callback()
        self._host.finish(self)

    def _send(self, batch: ToHost) -> None:
        if self._socket is not None:
            self._out += frame(batch)
            self._flush()

    def _flush(self) -> None:
        sock = self._socket
        if sock is None:
            return
        try:
            while self._out:
                del self._out[: sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()
        if self._blocked != bool(self._out):
            self._blocked = bool(self._out)
            self._host.loop.change(sock.fileno(), READ | WRITE if self._blocked else READ)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._host.loop.close(self._socket.detach())
            self._socket = None

    def _listen_for_life(self) -> None:
        """Ask a host that is silent for a sign of life; one that gives none for the timeout is killed."""
        if self._socket is None:
            return
        now = time.monotonic()
        if self._heard:
            self._heard, self._asked = False, 0.0
        elif not self._asked:
            self._asked = now
            self._send(ToHost(ping=1))
        elif now - self._asked >= self._host.timeout:
            self._hung = True
            self._kill_host()
            return
        self._host.loop.later(self._host.timeout / 4, self._listen_for_life)

    def _tidy(self) -> None:
        # A host that is killed leaves its directories.
        if self._name:
            import shutil

            shutil.rmtree(root_of(self._folder, self._name), ignore_errors=True)

    def _kill_host(self) -> None:
        if self.process.status is None:
            signal_session(self.process.pid, signal.SIGKILL)


class _Process:
    """The private host as a child of this one."""

    __slots__ = ("job", "orphans", "pid", "status", "usage")

    def __init__(self, job: PrivateJob) -> None:
        self.job = job
        self.pid = 0
        self.status: int | None = None
        self.usage: struct_rusage | None = None
        self.orphans = False
