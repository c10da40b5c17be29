"""Conformance check for shell plugins, on a job that only pretends to run."""

from __future__ import annotations

import inspect
import os
import tempfile
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from bourn.errors import BournError
from bourn.hookspecs.shell import CALLBACKS, ShellPlugin
from bourn.model.taskmap import TaskMap
from bourn.shell.spec import ShellSpec
from bourn.testing.ensure import ensure, ensure_name, ensure_reason
from bourn.testing.samples import jobspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FakeChannel", "FakeShellJob", "FakeShellTask", "check_shell_plugin"]


@define(eq=False)
class FakePlace:
    """Where the pretended job runs: all of it on one node."""

    ntasks: int = 2
    first: int = 0
    size: int = 2
    nodeid: int = 0
    nnodes: int = 1
    cores: str = "0-1"
    gpus: str = ""
    expiration: float = 0.0
    taskmap: str = ""
    hosts: str = ""


@define(eq=False)
class FakeTimer:
    """What `FakeShellJob.later` returns."""

    cancelled: bool = False

    def cancel(self) -> None:
        """Take note."""
        self.cancelled = True


@define(eq=False)
class FakeChannel:
    """What `FakeShellJob.channel` returns: it keeps what plugins send; `received` takes a task's words."""

    received: Callable[[bytes], None]
    sent: bytes = b""
    closed: bool = False

    def send(self, data: bytes) -> None:
        """Take note."""
        self.sent += data

    def drain(self) -> None:
        """Nothing is left."""

    def close(self) -> None:
        """Take note."""
        self.closed = True


class FakeTerminal:
    """What `FakeShellJob.open_terminal` gives a task."""

    def hang_up(self) -> None:
        """Nothing was there."""


@define(eq=False)
class FakeShellTask:
    """A task of the pretended job, with the fields that plugins set and read."""

    job: FakeShellJob
    rank: int
    local: int
    argv: list[str] = Factory(lambda: ["true"])
    path: str = ""
    env: dict[str, str] = Factory(dict)
    cwd: str = "/"
    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    terminal: Any = None
    inherit: tuple[tuple[int, int], ...] = ()
    open_fds: list[int] = Factory(list)
    affinity: set[int] | None = None
    rlimits: dict[int, int] | None = None
    writer: Any = None
    pid: int = 0
    status: int | None = None
    usage: Any = None
    orphans: bool = False


class FakeShellJob:
    """The pretended job: it keeps what plugins log, raise and kill."""

    def __init__(self, spec: ShellSpec, tmpdir: str) -> None:
        self.id = 1
        self.f58 = "ƒ2"
        self.uri = "local:///nowhere"
        self.name = spec.name
        self.spec = spec
        self.place = FakePlace()
        self.ranks = range(2)
        self.env = dict(spec.env)
        self.data: dict[str, Any] = {}
        self.status = 0
        self.ended = False
        self.tasks: list[FakeShellTask] = []
        self._tmpdir = tmpdir
        self.logs: dict[str, str] = {}
        self.exceptions: list[tuple[str, str, int]] = []
        self.kills: list[int] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.sinks: list[Callable[[bytes], None]] = []
        self.channels: list[FakeChannel] = []
        self.holds = 0
        """How many of its holds aren't released yet."""

    def exception(self, note: str, type: str = "exec", severity: int = 0) -> None:
        """Take note."""
        ensure_reason(note, "shell plugin: the note of an exception")
        self.exceptions.append((note, type, severity))

    def log(self, name: str, lines: str) -> None:
        """Take note."""
        ensure(lines.endswith("\n"), f"shell plugin: log lines end with a newline, unlike {lines!r}")
        self.logs[name] = self.logs.get(name, "") + lines

    def output(self, size: int) -> None:
        """Nothing is on the way."""

    def capture(self, task: FakeShellTask, sink: Callable[[bytes], None]) -> int:
        """Take note of the sink; `check_shell_plugin` puts bytes into it."""
        self.sinks.append(sink)
        return os.open(os.devnull, os.O_WRONLY)

    def feed(self, task: FakeShellTask) -> int:
        """There is no input."""
        return os.open(os.devnull, os.O_RDONLY)

    def channel(self, task: FakeShellTask, number: int, received: Callable[[bytes], None]) -> FakeChannel:
        """Take note of the channel."""
        self.channels.append(FakeChannel(received))
        return self.channels[-1]

    def helper(self, command: list[str], received: Callable[[bytes], None]) -> FakeChannel:
        """Start nothing; take note of the channel."""
        self.channels.append(FakeChannel(received))
        return self.channels[-1]

    def open_terminal(self, task: FakeShellTask, rows: int, columns: int) -> None:
        """Give the task one that nobody sees."""
        task.terminal = FakeTerminal()

    def capture_terminal(self, task: FakeShellTask, sink: Callable[[bytes], None]) -> None:
        """Take note of the sink; `check_shell_plugin` puts bytes into it."""
        self.sinks.append(sink)

    def taskmap(self) -> TaskMap:
        """Return that both tasks are on the one node."""
        return TaskMap([[0, 1, 2, 1]])

    def lay_out(self, taskmap: TaskMap) -> None:
        """Take a task map of as many tasks."""
        ensure(taskmap.ntasks == 2, f"shell plugin: a task map of {taskmap.ntasks} tasks for a job of 2")

    def hold(self) -> Callable[..., None]:
        """Take note, and of a reason for which the job can't start."""
        self.holds += 1

        def release(refusal: str = "") -> None:
            self.holds -= 1
            if refusal:
                self.exception(refusal)

        return release

    def exchange(self, name: str, data: dict[str, str], done: Callable[[dict[str, str]], None]) -> None:
        """Nobody else takes part."""
        done(data)

    def later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        """Take note; the time never comes."""
        ensure(delay >= 0, f"shell plugin: a delay of {delay}")
        self.timers.append((delay, callback))
        return FakeTimer()

    def kill(self, signum: int) -> None:
        """Take note."""
        self.kills.append(signum)

    def tmpdir(self) -> str:
        """Return a directory that goes when the check ends."""
        return self._tmpdir


def check_shell_plugin(plugin: ShellPlugin, options: Mapping[str, Any] | None = None) -> FakeShellJob:
    """Take a pretended job of two tasks through its life with a plugin; return it.

    The plugin's callbacks must take what they are called with, must not wait, and must not raise when the job
    has the shell options given. A value that no option could have may only be refused by a `BournError` with
    a reason.
    """
    what = ensure_name(plugin, "shell plugin")
    ensure(isinstance(plugin.priority, int), f"{what}: priority is a whole number, not {plugin.priority!r}")
    for name in (*CALLBACKS, "wants", "validate"):
        _check_signature(plugin, name, what)
    for option in plugin.options:
        made = ShellSpec(_with_options(_nested(option.partition("=")[0], {"no": "such value"})))
        try:
            if plugin.wants(made):
                plugin.validate(made)
        except BournError as error:
            ensure_reason(error.message, f"{what}: refusing -o {option}")
        except Exception as error:
            raise AssertionError(f"{what}: -o {option} with a wrong value raises {error!r}") from error
    spec = ShellSpec(_with_options(dict(options or {})))
    wanted = plugin.wants(spec)
    ensure(isinstance(wanted, bool), f"{what}: wants must return a bool, not {wanted!r}")
    with tempfile.TemporaryDirectory(prefix="bourn-test-") as folder:
        job = FakeShellJob(spec, folder)
        if wanted:
            plugin.validate(spec)
            _live(plugin, job)
    return job


def _live(plugin: Any, job: FakeShellJob) -> None:
    plugin.init(job)
    # A job that is still held is one that ends before it starts.
    for rank in range(0 if job.holds else 2):
        task = FakeShellTask(job, rank, rank, env=job.env)
        job.tasks.append(task)
        plugin.task_init(job, task)
        task.pid = 1 << 22  # above any pid of the kernel's default, so that nothing real is hit
        plugin.task_fork(job, task)
    if job.tasks:
        plugin.start(job)
    for sink in job.sinks:
        sink(b"some output\n")
        sink(b"")
    for task in job.tasks:
        task.status = 0
        plugin.task_exit(job, task)
        for fd in task.open_fds:
            os.close(fd)
    job.ended = True
    plugin.finish(job)
    plugin.exit(job)


def _check_signature(plugin: ShellPlugin, name: str, what: str) -> None:
    own = getattr(plugin, name)
    ensure(not inspect.iscoroutinefunction(own), f"{what}: {name} must not be async")
    wanted = list(inspect.signature(getattr(ShellPlugin, name)).parameters)[1:]
    try:
        inspect.signature(own).bind(*wanted)
    except TypeError:
        found = inspect.signature(own)
        raise AssertionError(
            f"{what}: {name} is called with ({', '.join(wanted)}), it takes {found}"
        ) from None


def _with_options(options: dict[str, Any]) -> dict[str, Any]:
    return jobspec(system={"shell.options": options}) if options else jobspec()


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    made: dict[str, Any] = value
    return made
