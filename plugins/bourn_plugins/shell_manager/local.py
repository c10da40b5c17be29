"""The shell hosts of one rank as processes: started, found again, watched over, and buried."""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import TYPE_CHECKING

import trio

from bourn.broker.rundir import lasting_uri
from bourn.config.tables import ExecTable, PluginsTable
from bourn.errors import BournError
from bourn.shell.tmpdirs import root_of
from bourn_plugins.shell_manager import launch
from bourn_plugins.shell_manager.link import HostLink
from bourn_plugins.shell_manager.process import HostProcess, kill_marked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bourn.broker.module import ModuleContext

END_TIME = 3.0
"""Seconds that a host has to end its jobs and itself before it is killed."""
KEPT = "kept"
"""The file of a state directory that says that the instance was ended on purpose and its jobs weren't."""


class LocalHosts:
    """With a state directory the hosts' sockets lie there, and hosts and jobs outlive a broker that dies by
    ``[exec] linger``; without one they end with it.
    """

    def __init__(self, ctx: ModuleContext) -> None:
        table = ctx.config.table("exec", ExecTable)
        self._ctx = ctx
        self.outlive = ctx.statedir is not None
        """Whether hosts may live on when this broker ends without a `cleanup`."""
        self.folder: Path = ctx.statedir or ctx.rundir
        self.timeout = table.host_timeout
        self._grace = table.linger if self.outlive else 0.0
        self._spool = table.spool_limit
        self._disabled = ctx.config.table("plugins", PluginsTable).disable
        self._uri = ""

    @property
    def uri(self) -> str:
        """The address of the instance for tasks, the same after a restart where hosts live that long."""
        if not self._uri:
            local = str(self._ctx.attrs.get("local-uri") or "")
            statedir = self._ctx.statedir
            self._uri = lasting_uri(statedir, self._ctx.rank, local) if statedir is not None else local
        return self._uri

    def users(self) -> list[int]:
        """Return the users of whom there is a host from before, or what is left of one."""
        if not self.outlive:
            return []
        name = re.compile(
            rf"shell-{self._ctx.rank}-(\d+)({re.escape(launch.SOCKET)}|{re.escape(launch.RECORD)})"
        )
        return sorted({int(match[1]) for path in os.listdir(self.folder) if (match := name.fullmatch(path))})

    def start(self, userid: int) -> tuple[HostProcess, HostLink]:
        """Start a user's host; BournError where that can't be done."""
        if userid != os.getuid():
            raise BournError(
                f"user {userid}'s jobs can't be run: this instance runs those of user {os.getuid()} only"
            )
        # What outlives the broker must not lie where the broker cleans up.
        tmpdir = None if self.outlive else self._ctx.rundir
        name = f"{os.getpid()}-{time.time_ns()}"
        pid, said, sock = launch.launch(
            self.folder,
            launch.socket_name(self._ctx.rank, userid),
            name,
            tmpdir=tmpdir,
            grace=self._grace,
            spool=self._spool,
            timeout=self.timeout,
            disable=self._disabled,
        )
        process = HostProcess.of(pid, name)
        self.note(userid, process)
        self._ctx.nursery.start_soon(self._listen, process, said)
        return process, HostLink(sock, self.timeout)

    def find(self, userid: int) -> HostLink | None:
        """Connect to a user's host from before; where there is none any more, end what it has left."""
        try:
            return HostLink(launch.connect(self.folder, self._socket(userid).name), self.timeout)
        except OSError:
            self.kill(userid, self.recorded(userid))
            return None

    def note(self, userid: int, process: HostProcess) -> None:
        """Note which process the user's host is, for the broker after this one."""
        if self.outlive:
            process.write(self._record(userid))

    def recorded(self, userid: int) -> HostProcess | None:
        """Return which process the user's host is, or was, by what was noted when it started."""
        return HostProcess.read(self._record(userid)) if self.outlive else None

    def kill(self, userid: int, process: HostProcess | None, jobs: Iterable[int] = ()) -> int:
        """Kill a host and all processes of its jobs, and remove its files; return how many there were."""
        killed = 0 if process is None else process.kill_family()
        killed += self.sweep(jobs)
        self._tidy(userid, process)
        return killed

    def sweep(self, jobs: Iterable[int]) -> int:
        """Kill the processes of jobs by what their environment says; return how many there were."""
        return kill_marked((self.uri, str(self._ctx.attrs.get("local-uri") or "")), jobs)

    def _tidy(self, userid: int, process: HostProcess | None) -> None:
        """Remove what a host that died would have removed; without a state directory the broker does."""
        if self.outlive:
            self._record(userid).unlink(missing_ok=True)
            self._socket(userid).unlink(missing_ok=True)
            if process is not None and process.name:
                shutil.rmtree(root_of("", process.name), ignore_errors=True)

    async def bury(self, userid: int, process: HostProcess, *, grace: float = END_TIME) -> None:
        """See that a host that was told to end does, and leaves nothing."""
        with trio.move_on_after(grace):
            await process.ended()
        if process.kill_family():
            self._ctx.log.error("what the shell host of user %d left was killed", userid)
        self._tidy(userid, process)

    def obituary(self, userid: int, pid: int, *, hung: bool) -> str:
        """Say how a host ended."""
        who = f"the shell host of user {userid} (process {pid})"
        if hung:
            return f"{who} didn't answer for {self.timeout:g} s and was killed"
        return f"{who} died"

    def leave_note(self) -> None:
        """Note that the instance ends on purpose and leaves its jobs running."""
        (self.folder / KEPT).touch()

    def take_note(self) -> bool:
        """Return whether `leave_note` was called in the life before this one."""
        note = self.folder / KEPT
        found = self.outlive and note.exists()
        if found:
            note.unlink(missing_ok=True)
        return found

    def _socket(self, userid: int) -> Path:
        return self.folder / launch.socket_name(self._ctx.rank, userid)

    def _record(self, userid: int) -> Path:
        return self._socket(userid).with_suffix(launch.RECORD)

    async def _listen(self, process: HostProcess, said: int) -> None:
        # What a host prints is trouble: it ends up in the broker's log.
        rest = b""
        async with trio.lowlevel.FdStream(said) as stream:
            async for data in stream:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._ctx.log.error("shell host: %s", line.decode("utf-8", "replace"))
        if rest:
            self._ctx.log.error("shell host: %s", rest.decode("utf-8", "replace"))
        await process.ended()
