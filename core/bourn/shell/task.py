"""A task: one user process of a job, and the descriptors, limits and binding that it is started with."""

from __future__ import annotations

import errno
import os
import resource
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resource import struct_rusage

    from bourn.shell.job import ShellJob
    from bourn.shell.stream import Stream, Writer
    from bourn.shell.terminal import Terminal

_DUP2 = os.POSIX_SPAWN_DUP2
# What the host ignores; an ignored signal, unlike a handled one, would be inherited through exec.
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGXCPU, signal.SIGINT, signal.SIGHUP)
# The usual values of e_machine in an ELF header, as uname calls them.
_MACHINES = {
    3: "i686", 8: "mips", 20: "ppc", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64",
    243: "riscv64", 258: "loongarch64",
}  # fmt: skip
_MEMORY = {resource.RLIMIT_AS: "-v", resource.RLIMIT_DATA: "-d"}


class ShellTask:
    """One process. Plugins set its start in ``task_init`` and read its end in ``task_exit``."""

    __slots__ = (
        "affinity", "argv", "cwd", "env", "inherit", "job", "local", "open_fds", "orphans", "path", "pid",
        "rank", "rlimits", "status", "stderr", "stdin", "stdout", "streams", "terminal", "usage", "writer",
    )  # fmt: skip

    def __init__(self, job: ShellJob, rank: int, local: int, env: dict[str, str], null: int) -> None:
        self.job = job
        self.rank = rank
        """Rank in the job."""
        self.local = local
        """Index on this node."""
        self.argv = job.spec.command
        self.path = ""
        """The program's file; found in the PATH of `env` when empty."""
        self.env = env
        """May be shared with the job's other tasks: replace it by a copy before changing it."""
        self.cwd = job.spec.cwd
        self.stdin = self.stdout = self.stderr = null
        """Descriptors that become 0, 1 and 2; /dev/null unless a plugin sets them."""
        self.streams: list[Stream] = []
        """What the host reads of it."""
        self.terminal: Terminal | None = None
        """Takes the place of all three; the task then leads a session of its own."""
        self.inherit: tuple[tuple[int, int], ...] = ()
        """Further descriptors: (the host's, its number in the task, from 3)."""
        self.open_fds: list[int] = []
        """Descriptors to close in the host once the task has them."""
        self.affinity: set[int] | None = None
        """CPUs to run on; None: those of the host."""
        self.rlimits: dict[int, int] | None = None
        """Soft limits by `resource.RLIMIT_*`."""
        self.writer: Writer | None = None
        """What feeds its standard input."""
        self.pid = 0
        """Process id and process group id; 0 before the start."""
        self.status: int | None = None
        """Wait status, once ended."""
        self.usage: struct_rusage | None = None
        self.orphans = False
        """Whether its process group had other members when it ended."""

    def close_fds(self) -> None:
        """Close the host's copies of the descriptors that were made for the task."""
        for fd in self.open_fds:
            os.close(fd)
        self.open_fds.clear()

    def spawn(self) -> None:
        """Start the process in a process group of its own. OSError when that fails.

        posix_spawn never copies the host's memory. What it can't set is set in the host for that instant, or
        in the task right after it.
        """
        os.chdir(self.cwd)
        if self.affinity is None and self.rlimits is None:
            self.pid = self._spawn(self.path, self.argv)
        else:
            self._spawn_bound()

    def _spawn_bound(self) -> None:
        path, argv, saved = self.path, self.argv, []
        cpus = os.sched_getaffinity(0)
        memory = ""
        try:
            for which, soft in (self.rlimits or {}).items():
                if which in _MEMORY:
                    # This would bite the host itself: a shell sets it on the way.
                    memory += f"ulimit -S {_MEMORY[which]} {soft // 1024 if soft >= 0 else 'unlimited'}; "
                else:
                    saved.append((which, resource.getrlimit(which)))
                    resource.setrlimit(which, (soft, saved[-1][1][1]))
            if memory:
                argv = ["sh", "-c", memory + 'exec "$0" "$@"', path, *argv[1:]]
                path = "/bin/sh"
            if self.affinity is not None:
                os.sched_setaffinity(0, self.affinity)
            self.pid = self._spawn(path, argv)
        finally:
            if self.affinity is not None:
                os.sched_setaffinity(0, cpus)
            for which, values in saved:
                resource.setrlimit(which, values)

    def _spawn(self, path: str, argv: list[str]) -> int:
        actions: list[tuple[Any, ...]] = [
            (_DUP2, self.stdin, 0),
            (_DUP2, self.stdout, 1),
            (_DUP2, self.stderr, 2),
        ]
        if self.inherit:
            actions += [(_DUP2, fd, number) for fd, number in self.inherit]
        if self.terminal is not None:
            # The first terminal that the leader of a session opens becomes the session's own.
            actions[:3] = [
                (os.POSIX_SPAWN_OPEN, 0, self.terminal.path, os.O_RDWR, 0),
                (_DUP2, 0, 1),
                (_DUP2, 0, 2),
            ]
            return os.posix_spawn(
                path,
                argv,
                self.env,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=_DEFAULT_SIGNALS,
            )
        return os.posix_spawn(
            path,
            argv,
            self.env,
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )


def find_program(name: str, path: str, cwd: str) -> str:
    """Return the file that `name` means, as a shell finds it; FileNotFoundError or PermissionError
    otherwise."""
    if "/" in name:
        return name
    denied = False
    for folder in path.split(":"):
        file = os.path.join(cwd, folder, name)
        if os.access(file, os.X_OK) and not os.path.isdir(file):
            return file
        denied = denied or os.path.isfile(file)
    if denied:
        raise PermissionError(name)
    raise FileNotFoundError(name)


def explain(error: OSError, argv: list[str], path: str) -> tuple[int, str]:
    """Return (exit code, one line) for a program that couldn't be started, with the codes of POSIX shells."""
    name = argv[0] or "'' (an empty word)"
    if isinstance(error, FileNotFoundError):
        if path and os.path.exists(path):
            return 126, f"{name}: its interpreter doesn't exist: {_interpreter(path)}"
        return 127, f"{name}: command not found" if "/" not in name else f"{name}: No such file or directory"
    if path and os.path.isdir(path):
        return 126, f"{name}: Is a directory"
    if error.errno == errno.ENOEXEC:
        return 126, f"{name}: {_no_program(_head(path))}"
    return 126, f"{name}: {error.strerror or 'Permission denied'}"


def _interpreter(path: str) -> str:
    line, newline, _ = _head(path).partition(b"\n")
    if not line.startswith(b"#!"):
        return "its dynamic loader"
    text = line[2:].decode("utf-8", "replace").strip()
    # Nobody sees the carriage return that has become part of the name.
    return f"{text} (the line ends with a carriage return)" if newline and line.endswith(b"\r") else text


def _no_program(head: bytes) -> str:
    if not head:
        return "the file is empty"
    if head.startswith(b"\x7fELF") and len(head) > 19:
        machine = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
        made_for = _MACHINES.get(machine, f"another machine (ELF type {machine})")
        here = os.uname().machine
        if made_for != here:
            return f"it is a program for {made_for}, this machine is {here}"
        return "it is a damaged program"
    return "it is no program, and has no #! line that names its interpreter"


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except OSError:
        return b""
