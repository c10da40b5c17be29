"""Drives a shell host from a test or benchmark, as the shell-manager of a broker would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.shell.wire import FromHost, Splitter, Start, Stdin, ToHost, frame, from_host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def jobspec(command: Sequence[str], options: dict[str, Any] | None = None, **system: Any) -> msgspec.Raw:
    """Return a one-task jobspec as text."""
    system.setdefault("environment", {"PATH": os.environ["PATH"]})
    system.setdefault("cwd", "/tmp")
    slot = {"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 1}]}
    return msgspec.Raw(
        msgspec.json.encode(
            {
                "version": 1,
                "resources": [slot],
                "tasks": [{"command": list(command), "slot": "t", "count": {"per_slot": 1}}],
                "attributes": {"system": {"duration": 0, "shell": {"options": options or {}}, **system}},
            }
        )
    )


class HostClient:
    """A host process and the connection to it; `with` ends the host."""

    def __init__(
        self,
        *,
        grace: float = 0.0,
        spool: int | None = None,
        program: Sequence[str] = ("-m", "bourn.shell"),
        before: Callable[[HostClient], None] | None = None,
    ) -> None:
        """Start a host and connect to it.

        Args:
            program: words for the interpreter that run the host.
            before: called when the host's socket is there, but not yet the host; to `connect` is up to you.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="bourn-test-")
        self.folder = self._folder.name
        self.path = f"{self.folder}/host.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(4)
        command = [sys.executable, *program, "--fd", str(listener.fileno())]
        if spool is not None:
            command += ["--spool", self.folder, "--spool-limit", str(spool)]
        self.status: dict[int, int] = {}
        self.failures: dict[int, list[str]] = {}
        self.severities: dict[int, list[int]] = {}
        self.output: dict[int, list[dict[str, Any]]] = {}
        self.started: list[int] = []
        self.seq = 0
        self.reports: list[int] = []
        self.resume: tuple[str, int] | None = None
        self.taken: list[int] = []
        self.ready: list[int] = []
        self._serial = 0
        self.messages: list[str] = []
        self.greeting: list[int] | None = None
        if before is not None:
            before(self)
        self.process = subprocess.Popen(
            [*command, "--dir", self.folder, "--grace", str(grace)],
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        listener.close()
        if before is None:
            self.connect()

    def __enter__(self) -> HostClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()
        self.process.terminate()
        self.process.wait()
        self._folder.cleanup()

    def connect(self) -> None:
        """Connect, again perhaps."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self.path)
        self._socket.settimeout(30)
        self._splitter = Splitter()
        self.send(uri="local:///test", resume=self.resume)

    def fileno(self) -> int:
        """Return what is readable when the host has said something."""
        return self._socket.fileno()

    def disconnect(self) -> None:
        """Go away as a broker that dies."""
        self._socket.close()

    def send(self, **members: Any) -> None:
        """Send a batch."""
        self._socket.sendall(frame(ToHost(**members)))

    def run(
        self, *commands: Sequence[str], first: int = 1, options: dict[str, Any] | None = None, **system: Any
    ) -> None:
        """Start a job for each command, ids from `first`."""
        ids = range(first, first + len(commands))
        self.send(
            specs=[(id, jobspec(c, options, **system)) for id, c in zip(ids, commands, strict=True)],
            start=[Start(id, id) for id in ids],
        )

    def feed(self, id: int, data: bytes, *, eof: bool = False) -> int:
        """Write to a job's standard input; return the number that `taken` will hold."""
        self._serial += 1
        self.send(stdin=[Stdin(id, "all", data, eof, self._serial)])
        return self._serial

    def receive(self) -> list[FromHost]:
        """Wait for reports, note and return them."""
        while True:
            data = self._socket.recv(1 << 18)
            if not data:
                raise EOFError
            reports = [from_host.decode(body) for body in self._splitter.feed(data)]
            for report in reports:
                self._note(report)
            if reports:
                return reports

    def until(self, condition: Callable[[], bool], *, ack: bool = True) -> None:
        """Receive until `condition` holds."""
        while not condition():
            self.receive()
            if ack:
                self.send(ack=self.seq)

    def wait(self, *ids: int) -> list[int]:
        """Return the wait statuses of jobs, waiting for them."""
        self.until(lambda: all(id in self.status for id in ids))
        return [self.status[id] for id in ids]

    def text(self, id: int, stream: str = "stdout") -> str:
        """Return what a job wrote so far."""
        return "".join(
            c["data"]
            for e in self.output.get(id, [])
            if (c := e["context"]).get("stream") == stream and "data" in c
        )

    def _note(self, report: FromHost) -> None:
        if report.jobs is not None:
            self.greeting = report.jobs
            self.name = report.host
        if report.seq:
            self.seq = report.seq
            self.reports.append(report.seq)
        self.taken += report.taken
        self.ready += report.ready
        self.messages += [text for _, text in report.messages]
        self.started += [id for id, _ in report.started]
        for id, _, lines in report.logs:
            self.output.setdefault(id, []).extend(map(msgspec.json.decode, lines.splitlines()))
        for id, _, _, severity, note in report.failed:
            self.failures.setdefault(id, []).append(note)
            self.severities.setdefault(id, []).append(severity)
        for id, _, status in report.finished:
            assert id not in self.status, f"job {id} ended twice"
            self.status[id] = status
