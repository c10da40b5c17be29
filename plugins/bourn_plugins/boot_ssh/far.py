"""One host of those that rank 0 starts brokers on: its `ssh`, what that says, and the channel through it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from typing import IO, TYPE_CHECKING

import trio

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = b"\0bourn\n"
"""What a broker sends first. What comes before it, on standard output, the host's shell has printed."""
NOISE_MAX = 65536
"""How many bytes that may be."""
LINES = 20
"""How many lines of what ssh, or the broker, says at the start are kept."""
CHUNK = 65536
HEAR_SECONDS = 0.5
NOT_FOUND = 127
"""A shell's status for a command that isn't there."""


class Far:
    """A host. `stream` is the channel to its broker."""

    def __init__(self, host: str, command: Sequence[str]) -> None:
        self.host = host
        self._said: deque[str] = deque(maxlen=LINES)
        self._up = False
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise BournError(f"{command[0]}: {error.strerror} ([bootstrap] ssh names the command)") from None
        into, out, self._errors = (
            _stream(file) for file in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        self._out = AfterMark(out)
        self._heard = trio.Event()
        self.stream: trio.StapledStream[trio.lowlevel.FdStream, AfterMark]
        self.stream = trio.StapledStream(into, self._out)

    async def listen(self) -> None:
        """Take what ssh and the broker say on standard error; it is passed on once the broker is up."""
        rest = b""
        async for data in self._errors:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace").rstrip())
        if rest:
            self._take(rest.decode(errors="replace").rstrip())
        self._heard.set()

    async def ended(self) -> int:
        """Wait for the end of its ssh, and what is still to be heard of it; return the status."""
        fd = os.pidfd_open(self.process.pid)
        try:
            await trio.lowlevel.wait_readable(fd)
        finally:
            os.close(fd)
        # A process that ssh leaves behind, for other connections, may keep standard error open.
        with trio.move_on_after(HEAR_SECONDS):
            await self._heard.wait()
        return self.process.wait()

    def is_up(self) -> None:
        """Pass on what the broker says, from its start; what ssh has said is over."""
        self._up = True
        for line in self._said:
            if line.startswith("bourn-"):
                self._pass_on(line)

    def failure(self) -> str:
        """Return why there is no broker here."""
        status = self.process.poll()
        if status is None:
            return f"host '{self.host}': what answers is no broker"
        said = [line for line in [*self._out.noise, *self._said] if line.strip()]
        reason = said[-1].strip().removeprefix("bourn-start: error: ") if said else ""
        if status == NOT_FOUND:
            reason += "; `bourn` must be on the PATH that ssh gives"
        return f"host '{self.host}': {reason or f'ssh ended with status {status}'}"

    def kill(self) -> None:
        """End its ssh, and with that its broker."""
        self.process.kill()
        self.process.wait()

    def _take(self, line: str) -> None:
        if self._up:
            self._pass_on(line)
        else:
            self._said.append(line)

    def _pass_on(self, line: str) -> None:
        print(f"{self.host}: {line}", file=sys.stderr, flush=True)


def _stream(file: IO[bytes] | None) -> trio.lowlevel.FdStream:
    assert file is not None
    with file:
        return trio.lowlevel.FdStream(os.dup(file.fileno()))


class AfterMark(trio.abc.ReceiveStream):
    """What comes after the mark."""

    def __init__(self, stream: trio.lowlevel.FdStream) -> None:
        self._stream = stream
        self._before: bytes | None = b""

    @property
    def noise(self) -> list[str]:
        """The lines that have come before the mark, or instead of it."""
        return (self._before or b"").decode(errors="replace").split("\n")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive; nothing at the end, and where the mark doesn't come."""
        while self._before is not None:
            data = await self._stream.receive_some(CHUNK)
            self._before += data
            _, mark, after = self._before.partition(MARK)
            if mark:
                self._before = None
                if after:
                    return after
            elif not data or len(self._before) > NOISE_MAX:
                return b""
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()
