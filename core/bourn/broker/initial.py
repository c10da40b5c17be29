"""The initial program: what `bourn start` runs inside the new instance."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from bourn.errors import BournError
from bourn.shell.orphans import INSTANCE_OF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TERM_SECONDS = 5.0
"""How long a program that was asked to end has before it is killed."""

_OF_A_JOB = (
    "BOURN_JOB_ID",
    "BOURN_JOB_SIZE",
    "BOURN_JOB_NNODES",
    "BOURN_JOB_TMPDIR",
    "BOURN_JOB_CC",
    "BOURN_TASK_RANK",
    "BOURN_TASK_LOCAL_ID",
    "BOURN_KVS_NAMESPACE",
)
# PMI's connection is the broker's own; programs that ask Slurm would take themselves for its tasks.
_PREFIXES = ("PMI_", "PMIX_", "SLURM_")


def environment(environ: Mapping[str, str], uri: str) -> dict[str, str]:
    """Return the program's environment: that of the broker, without what describes a job of the parent
    instance or of another resource manager, and with a PATH on which `bourn` is found even where no virtual
    environment is activated.
    """
    own = {
        name: value
        for name, value in environ.items()
        if name not in _OF_A_JOB and not name.startswith(_PREFIXES)
    }
    own["BOURN_URI"] = uri
    # By this the shell host finds what a broker that was killed has left behind.
    own.pop(INSTANCE_OF, None)
    if "BOURN_JOB_ID" in environ:
        own[INSTANCE_OF] = environ["BOURN_JOB_ID"]
    return findable(own)


def findable(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with a PATH on which `bourn` is found."""
    own = dict(environ)
    path = own.get("PATH")
    if path and shutil.which("bourn", path=path) is None:
        own["PATH"] = f"{path}:{os.path.dirname(sys.executable)}"
    return own


def on_terminal() -> bool:
    """Whether we are the foreground of a terminal: then the program must stay in our process group."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class InitialProgram:
    """One process, and where we aren't on a terminal the process group that it leads."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.command = list(command)
        self._environ = dict(environ)
        self.term_seconds = TERM_SECONDS
        self.own_group = not on_terminal()
        self.was_ended = False
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self, stop: trio.Event) -> int:
        """Run it to its end, or end it once `stop` is set; return its status as a shell would. Without a
        command the instance just stays up until then.
        """
        if not self.command:
            await stop.wait()
            self.was_ended = True
            return 0
        try:
            # Not in a thread: a signal must find the process known as soon as it runs.
            self._process = process = subprocess.Popen(  # noqa: ASYNC220
                self.command, env=self._environ, process_group=0 if self.own_group else None
            )
        except OSError as error:
            reason = "command not found" if error.errno == errno.ENOENT else error.strerror
            raise StartFailed(f"{self.command[0]}: {reason}", error.errno or errno.ENOEXEC) from None
        pidfd = os.pidfd_open(process.pid)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_when, stop)
                await trio.lowlevel.wait_readable(pidfd)
                nursery.cancel_scope.cancel()
        finally:
            os.close(pidfd)
        status = process.wait()
        return status if status >= 0 else 128 - status

    async def _end_when(self, stop: trio.Event) -> None:
        await stop.wait()
        self.was_ended = True
        # Shells at a prompt ignore SIGTERM; SIGHUP is what tells them that their terminal is gone.
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)
        await trio.sleep(self.term_seconds)
        self.signal(signal.SIGKILL)

    def reap_group(self) -> None:
        """Kill what the program left behind in its group."""
        if self.own_group and self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def signal(self, signum: int) -> None:
        """Send it a signal; nothing happens where it doesn't run."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if self.own_group:
                os.killpg(self._process.pid, signum)
            else:
                os.kill(self._process.pid, signum)


class StartFailed(BournError):
    """The program can't be run; the status is what a shell would give: 127 not found, 126 otherwise."""

    @property
    def status(self) -> int:
        """The exit status."""
        return 127 if self.errnum == errno.ENOENT else 126
