"""A job as one node's shell sees it: its way from arrival to exit, and what plugins can do about it."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.model.jobid import f58_digits
from bourn.shell.channel import Channel, pair
from bourn.shell.jobio import JobIO
from bourn.shell.orphans import kill_orphans, kill_strays, signal_group
from bourn.shell.spec import ENVIRONMENT, JOB_NAME, blame
from bourn.shell.task import ShellTask, explain, find_program
from bourn.shell.waitstatus import worse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.model.taskmap import TaskMap
    from bourn.shell.fences import Fences
    from bourn.shell.host import Host
    from bourn.shell.loop import Timer
    from bourn.shell.spec import ShellSpec, TaskGroup
    from bourn.shell.wire import Start

_HARMLESS = (0, signal.SIGCONT, signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG)

HARMLESS = 3
"""Severity of an exception that is noted and changes nothing."""


class ShellJob(JobIO):
    """What plugins are handed. All methods are plain calls on the host's thread."""

    __slots__ = (
        "_fences", "_holds", "_refused", "_since", "_timers", "data", "ended", "env", "killed", "name",
        "place", "ranks", "spec", "status",
    )  # fmt: skip

    def __init__(self, host: Host, spec: ShellSpec, place: Start) -> None:
        super().__init__(host, place.id)
        self.spec = spec
        self.place = place
        """Where it runs: ntasks, first, size, nodeid, nnodes, cores, gpus, expiration, taskmap, hosts."""
        self.ranks: Sequence[int] = range(place.first, place.first + place.ntasks)
        """Ranks of the tasks on this node."""
        self.name = spec.name
        self.env = spec.env.copy()
        """The environment that all tasks start from."""
        self.status = 0
        """The wait status of the task that ended worst."""
        self.data: dict[str, Any] = {}
        """What plugins keep for this job, by plugin name."""
        self.ended = False
        self.killed = False
        """Whether it was sent a signal of which programs may end."""
        self._refused = False
        self._holds = 0
        self._since = time.time()
        self._timers: list[Timer] = []
        self._fences: Fences | None = None
        if place.overrides:
            self._vary(place.overrides)

    @property
    def f58(self) -> str:
        """The job id as users see it."""
        return "ƒ" + f58_digits(self.id)

    @property
    def uri(self) -> str:
        """Address of the instance."""
        return self._host.uri

    def exception(self, note: str, type: str = "exec", severity: int = 0) -> None:
        """Raise a job exception; severity 0 ends the job."""
        self._host.failed.append((self.id, time.time(), type, severity, note))

    def log(self, name: str, lines: str) -> None:
        """Append JSON lines, each ended by a newline, to one of the job's logs (``guest.output``)."""
        self._host.log(self, name, lines)

    def helper(self, command: list[str], received: Callable[[bytes], None]) -> Channel:
        """Start a process that serves the job on this node, and return the socket that it has as its standard
        input and output.

        What it writes goes to `received`, b"" at the end. It is to end when its input does: close the channel
        in ``exit``. BournError when it can't be started.
        """
        ours, theirs = pair()
        try:
            actions = [(os.POSIX_SPAWN_DUP2, theirs, 0), (os.POSIX_SPAWN_DUP2, theirs, 1)]
            # What the launcher of the instance left for the broker isn't meant for others.
            env = {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "PMIX_"))}
            os.posix_spawn(command[0], command, env, file_actions=actions, setsid=True, setsigmask=())
        except OSError as error:
            os.close(ours)
            raise BournError(f"{command[0]}: {error.strerror}") from error
        finally:
            os.close(theirs)
        loop = self._host.loop
        return Channel(loop, ours, partial(self._guard, received), partial(self._guard, received, b""))

    def taskmap(self) -> TaskMap:
        """Return which of the job's nodes each task is on."""
        from bourn.model.taskmap import TaskMap

        place = self.place
        if place.nnodes == 1:
            return TaskMap([[0, 1, place.size, 1]])
        return TaskMap(place.taskmap)

    def lay_out(self, taskmap: TaskMap) -> None:
        """Place the tasks otherwise; for ``init``, on all nodes alike."""
        place = self.place
        if place.groups:
            raise BournError("-o taskmap: tasks of several kinds run where their slots are")
        place.taskmap = str(taskmap)
        self.ranks = list(taskmap.tasks(place.nodeid))
        place.ntasks = len(self.ranks)

    def exchange(self, name: str, data: dict[str, str], done: Callable[[dict[str, str]], None]) -> None:
        """Give data to the job's shells on all its nodes; `done` gets everybody's once all have called this.

        Of one name, a shell is in one exchange at a time.
        """
        if self.place.nnodes == 1:
            done(data)
            return
        if self._fences is None:
            from bourn.shell.fences import Fences

            self._fences = Fences()
        self._host.tell_fence(self, *self._fences.enter(name, data, done))

    def fenced(self, key: str, data: dict[str, str]) -> None:
        """Take the result of an exchange."""
        if self._fences is not None and not self.ended:
            self._guard(self._fences.release, key, data)

    def fences(self) -> list[tuple[str, dict[str, str]]]:
        """Return what was given to exchanges that others may still wait for."""
        return self._fences.again() if self._fences is not None else []

    def later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back once in `delay` seconds, unless the job has ended by then."""
        timer = self._host.loop.later(delay, callback)
        self._timers.append(timer)
        return timer

    def kill(self, signum: int) -> None:
        """Send a signal to the process groups of all tasks, and to what ended tasks left in theirs."""
        self.killed = self.killed or signum not in _HARMLESS
        if not self._going:
            # Nothing runs: the job ends as if a task had died of it.
            if signum not in _HARMLESS:
                self._going = True
                self.status = signum
                self._end()
            return
        for task in self.tasks:
            if task.status is None:
                signal_group(task.pid, signum)
        orphaned = {task.pid for task in self.tasks if task.orphans}
        if orphaned:
            kill_orphans(orphaned, signum)
        if signum == signal.SIGKILL and not self._running:
            # What is left to wait for is output of processes that fled to groups of their own.
            kill_strays(self.f58)

    def tell_pids(self) -> None:
        """Tell the broker the processes of the tasks that run."""
        pids = [(task.rank, task.pid) for task in self.tasks if task.pid and task.status is None]
        self._host.tell_pids(self.id, pids)

    def tmpdir(self) -> str:
        """Return the job's private directory, which is removed after it."""
        return self._host.tmpdirs.of(self.id)

    def hold(self) -> Callable[..., None]:
        """For ``init``: keep the tasks from starting until what this returns is called.

        Called with a reason, it refuses the job. That the job may end meanwhile is no concern of the caller.
        """
        self._holds += 1
        return self._release

    def launch(self) -> None:
        """Start all tasks once everything is prepared, or end the job with the reason why not."""
        # As long as this runs, there is one hold more than the plugins': they may release theirs at once.
        self._holds += 1
        try:
            self._call("init")
        except Exception as error:
            self._give_up(error)
        self._release()

    @property
    def waits(self) -> bool:
        """Whether the job is held until all its nodes are ready."""
        return self.place.hold and not (self._going or self.ended)

    @property
    def prepared(self) -> bool:
        """Whether it is held, and could start as far as this node is concerned."""
        return self.waits and not self._holds

    def go(self) -> None:
        """Start the tasks of a job that was held until all its nodes were ready."""
        if not self._going and not self.ended:
            self._start_tasks()

    def _release(self, refusal: str = "") -> None:
        self._holds -= 1
        if self._going or self.ended:
            return
        if refusal:
            self._give_up(BournError(refusal))
        elif self._holds:
            return
        elif self.place.hold:
            self._rehearse()
        else:
            self._start_tasks()

    def _rehearse(self) -> None:
        """Say that this node is ready, or refuse: no node's tasks start if those of another can't."""
        cwd = self.spec.cwd
        names = {group.command[0] for group in self._groups()} or {self.spec.command[0]}
        try:
            try:
                os.chdir(cwd)
            except OSError as error:
                raise BournError(f"working directory {cwd}: {error.strerror}") from error
            for name in sorted(names):
                if "{{" not in name:  # which a plugin fills in
                    os.stat(find_program(name, self.env.get("PATH", os.defpath), cwd))
        except (BournError, OSError) as error:
            self._give_up(error)
        else:
            self._host.ready(self.id)

    def _groups(self) -> list[TaskGroup]:
        """Return what each task of this node runs, where not all run the same."""
        groups = self.spec.groups
        if not groups:
            return []
        return [groups[i] for i, number in enumerate(self.place.groups) for _ in range(number)]

    def _give_up(self, error: Exception) -> None:
        self._host.started(self.id, self._since)
        self._going = True
        self._refuse(error, None)
        self._end()

    def _start_tasks(self) -> None:
        self._going = True
        self._host.started(self.id, time.time())
        null = self._host.null
        task = None
        groups = self._groups()
        try:
            for local, rank in enumerate(self.ranks):
                task = ShellTask(self, rank, local, self.env, null)
                if groups:
                    task.argv = groups[local].command
                self._call("task_init", task)
                if groups:
                    task.env = groups[local].vary(task.env)
                self._spawn(task)
                self._call("task_fork", task)
            self._call("start")
        except Exception as error:
            self._refuse(error, task)
        self._catch_up()
        if not self._running and not self._open:
            self._end()

    def task_exited(self, task: ShellTask) -> None:
        """Take the end of a task, whose status and usage are set."""
        if task.status and not self._refused:
            self.status = worse(self.status, task.status)
        if task.writer is not None:
            task.writer.close()
        for stream in task.streams:
            stream.drain()
        for callback in self.spec.hooks["task_exit"]:
            self._guard(callback, self, task)
        # Only now: a plugin that closes a stream doesn't end the job under the others.
        self._running -= 1
        if not self._running and not self._open:
            self._end()

    def expiration_moved(self, when: float) -> None:
        """Take another end of the time limit."""
        self.place.expiration = when
        for callback in self.spec.hooks["resource_update"]:
            self._guard(callback, self)

    def peer_ended(self, nodeid: int, status: int) -> None:
        """Take that all tasks of another node have ended."""
        if not self.ended:
            for callback in self.spec.hooks["peer_exit"]:
                self._guard(callback, self, nodeid, status)

    def usage(self) -> tuple[int, float, float, float, int]:
        """Return what the tasks have used, as `FromHost.usage` has it."""
        user = system = 0.0
        largest = 0
        for task in self.tasks:
            if (used := task.usage) is not None:
                user += used.ru_utime
                system += used.ru_stime
                largest = max(largest, used.ru_maxrss)
        return self.id, time.time() - self._since, user, system, largest

    def abandon(self) -> None:
        """Kill everything and let go, without a report."""
        self._going = True
        self.kill(signal.SIGKILL)
        for stream in self._streams():
            stream.abandon()
        self._leave()

    def _vary(self, overrides: dict[str, Any]) -> None:
        # Other overrides made a spec of their own.
        for key, value in overrides.items():
            if key.startswith(ENVIRONMENT):
                if value is None:
                    self.env.pop(key[len(ENVIRONMENT) :], None)
                else:
                    self.env[key[len(ENVIRONMENT) :]] = str(value)
            elif key == JOB_NAME:
                self.name = value

    def _spawn(self, task: ShellTask) -> None:
        try:
            if not task.path:
                task.path = self._program(task)
            task.spawn()
        except OSError as error:
            self.spec.programs.clear()
            if error.filename == task.cwd:
                raise BournError(f"working directory {task.cwd}: {error.strerror}") from error
            raise
        finally:
            task.close_fds()
        self.tasks.append(task)
        self._running += 1
        self._host.pids[task.pid] = task

    def _program(self, task: ShellTask) -> str:
        search = task.env.get("PATH", os.defpath)
        key = (task.argv[0], search, task.cwd)
        known = self.spec.programs
        path = known.get(key)
        if path is None:
            path = known[key] = find_program(*key)
        return path

    def _refuse(self, error: Exception, task: ShellTask | None) -> None:
        # Ends what was started; the note of the exception is what the user reads.
        code = 1
        if isinstance(error, OSError) and (task is None or not task.pid):
            argv, path = (task.argv, task.path) if task is not None else (self.spec.command, "")
            code, note = explain(error, argv, path)
        elif isinstance(error, BournError):
            code, note = 126, error.message
        else:
            note = f"{type(error).__name__}: {error}"
        self.exception(note)
        self.status = code << 8
        self._refused = True
        if task is not None and not task.pid:
            task.close_fds()
            if task.writer is not None:
                task.writer.close()
        self.kill(signal.SIGKILL)

    def _call(self, name: str, *args: object) -> None:
        for callback in self.spec.hooks[name]:
            try:
                callback(self, *args)
            except Exception as error:
                plugin = getattr(callback, "__self__", callback)
                if not getattr(plugin, "fatal", True):
                    self.exception(blame(plugin, error), severity=HARMLESS)
                elif isinstance(error, BournError):
                    raise
                else:
                    raise BournError(blame(plugin, error)) from error

    def _guard(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            callback(*args)
        except Exception as error:
            plugin = getattr(callback, "__self__", callback)
            severity = 0 if getattr(plugin, "fatal", True) else HARMLESS
            self.exception(blame(plugin, error), severity=severity)

    def _end(self) -> None:
        for callback in self.spec.hooks["finish"]:
            self._guard(callback, self)
        orphaned = {task.pid for task in self.tasks if task.orphans}
        if orphaned:
            # Processes that it left in the background end with it.
            kill_orphans(orphaned, signal.SIGKILL)
        self._leave()
        self._host.finish(self)
        # These refer to the job: without this, only the collector of garbage would find it.
        self.tasks, self.data = [], {}

    def _catch_up(self) -> None:
        # What clients have sent before there were tasks.
        early, self._early = self._early, []
        for callback in early:
            callback()

    def _leave(self) -> None:
        self.ended = True
        if self._early:
            self._catch_up()
        for timer in self._timers:
            timer.cancel()
        for callback in self.spec.hooks["exit"]:
            self._guard(callback, self)
        self._host.tmpdirs.release(self.id)
