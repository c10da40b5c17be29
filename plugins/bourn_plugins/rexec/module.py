"""The module `rexec`: processes of the instance's owner on this rank, their output streamed to who asked."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import Module, Role, method
from bourn.config.tables import AccessTable
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Request

TERM_SECONDS = 5.0
"""How long a process whose sender has gone has before it is killed."""
CHUNK = 1 << 16


class Running:
    """A process and what may be sent to it."""

    def __init__(self, request: Request, process: trio.Process) -> None:
        self.request = request
        self.process = process
        self.lock = trio.Lock()

    def signal(self, signum: int) -> None:
        """Send a signal to its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signum)


class Rexec(Module):
    """Service `rexec`, for the owner only."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._running: dict[int, Running] = {}

    @method(streaming=True)
    async def exec(self, request: Request) -> None:
        """`{command: [...], env?: {name: value | null}, cwd?, stdin?: bool}` -> `{type: "started", pid,
        rank}`, `{type: "output", stream, data, encoding?}`..., `{type: "finished", status}` (as of wait(2)).

        ENOENT or EACCES where the command can't be run, EPERM on rank 0 of an instance that has guests
        unless the request comes from there. The process ends when the request is cancelled.
        """
        self._check(request)
        command = request.get("command", list)
        if not command or not all(isinstance(word, str) for word in command):
            raise BournError("rexec.exec: 'command' must be a list of strings", errno.EPROTO)
        wants_input = request.get("stdin", bool, False)
        try:
            process = await trio.lowlevel.open_process(
                command,
                stdin=subprocess.PIPE if wants_input else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment(request.get("env", dict, {})),
                cwd=request.get("cwd", str, "/"),
                process_group=0,
            )
        except OSError as error:
            reason = "command not found" if error.errno == errno.ENOENT else error.strerror
            raise BournError(f"{error.filename or command[0]}: {reason}", error.errno) from None
        running = self._running[process.pid] = Running(request, process)
        try:
            request.respond({"type": "started", "pid": process.pid, "rank": self.ctx.rank})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, request, "stdout", process.stdout)
                nursery.start_soon(self._pass_on, request, "stderr", process.stderr)
                await process.wait()
            status = process.returncode or 0
            request.respond({"type": "finished", "status": status << 8 if status >= 0 else -status})
        finally:
            if process.returncode is None:
                with trio.CancelScope(shield=True):
                    await self._end(running)
            del self._running[process.pid]

    @method()
    async def write(self, request: Request) -> None:
        """`{pid, data?, encoding?, eof?}`: write to a process's standard input; responds when it has taken
        it.
        """
        running = self._find(request)
        stdin = running.process.stdin
        if stdin is None:
            raise BournError(f"rexec.write: process {running.process.pid} has no standard input", errno.EPIPE)
        data = request.get("data", str, "")
        raw = b64decode(data) if request.get("encoding", str, "") == "base64" else data.encode()
        try:
            async with running.lock:
                await stdin.send_all(raw)
                if request.get("eof", bool, False):
                    await stdin.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise BournError("rexec.write: the process has closed its standard input", errno.EPIPE) from None

    @method()
    def kill(self, request: Request) -> None:
        """`{pid, signum}`: send a signal to a process that was started here, and to its group."""
        self._find(request).signal(request.get("signum", int))

    @method()
    def list(self, request: Request) -> dict[str, Any]:
        """-> `{processes: [{pid, command, client}...]}`."""
        rows = [
            {"pid": pid, "command": run.request.payload["command"], "client": run.request.client}
            for pid, run in self._running.items()
        ]
        return {"rank": self.ctx.rank, "processes": rows}

    def stats(self) -> dict[str, object]:
        """Return how many processes run."""
        return {"running": len(self._running)}

    def _check(self, request: Request) -> None:
        # Rank 0 holds what is all users'; a broken-into compute node must not get there by the overlay.
        guests = self.ctx.config.table("access", AccessTable).allow_guest_user
        if self.ctx.rank == 0 and guests and not request.rolemask & Role.LOCAL:
            raise BournError(
                "rank 0 runs nothing for other ranks in an instance that guests may use", errno.EPERM
            )

    def _find(self, request: Request) -> Running:
        self._check(request)
        pid = request.get("pid", int)
        if pid not in self._running:
            raise BournError(f"{request.topic}: no process {pid} was started here", errno.ESRCH)
        return self._running[pid]

    def _environment(self, changes: dict[str, Any]) -> dict[str, str]:
        env = dict(os.environ)
        env["BOURN_URI"] = str(self.ctx.attrs.get("local-uri") or "")
        for name, value in changes.items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = str(value)
        return env

    async def _pass_on(self, request: Request, name: str, stream: trio.abc.ReceiveStream | None) -> None:
        assert stream is not None
        async with stream:
            while data := await stream.receive_some(CHUNK):
                reply: dict[str, Any] = {"type": "output", "stream": name}
                try:
                    reply["data"] = bytes(data).decode()
                except UnicodeDecodeError:
                    reply["data"], reply["encoding"] = b64encode(data).decode(), "base64"
                request.respond(reply)
                await request.drained()

    async def _end(self, running: Running) -> None:
        running.signal(signal.SIGTERM)
        with trio.move_on_after(TERM_SECONDS):
            await running.process.wait()
        running.signal(signal.SIGKILL)
        await running.process.wait()
