"""The module `job-exec`: hands jobs to exec methods, watches their time limits, ends them, and reports."""

from __future__ import annotations

import errno
import signal
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import LATER, Module, Request, Role, method
from bourn.config.tables import ExecTable
from bourn.errors import BournError, ConfigError, suggest
from bourn.hookspecs.exec_method import ExecEvent, bourn_exec_methods
from bourn.model.idset import IdSet
from bourn_plugins.job_exec.deadlines import Deadlines
from bourn_plugins.job_exec.layout import all_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Later
    from bourn.hookspecs.exec_method import ExecClient, ExecMethod, StartRequest, Usage
    from bourn_plugins.job_exec.deadlines import Due

DURATION = "attributes.system.duration"
_USAGE = ',"usage":{"wall":%.6f,"user":%.6f,"system":%.6f,"maxrss":%d}'


class Running:
    """A job that was handed out."""

    __slots__ = ("due", "inputs", "kills", "method", "request", "started", "t_init")

    def __init__(self, request: StartRequest, method: ExecMethod, started: bool) -> None:
        self.request = request
        self.method = method
        self.started = started
        self.t_init = time.time()
        self.kills = -1
        """How often it has been killed; -1: it isn't being ended."""
        self.inputs: set[Request] = set()
        """Input that the tasks haven't taken yet."""
        self.due: Due | None = None
        """Its time limit or, once it is being ended, the next kill."""


class JobExec(Module):
    """Service `job-exec`: an `Executor` to the job manager, an `ExecPort` to exec methods."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._table = ctx.config.table("exec", ExecTable)
        self._term = _signal(self._table.term_signal, "term-signal")
        self._kill = _signal(self._table.kill_signal, "kill-signal")
        self._specs = ctx.plugins.named(bourn_exec_methods)
        ctx.plugins.pick(bourn_exec_methods, self._table.method, "[exec] method")
        self._methods: dict[str, ExecMethod] = {}
        self._client: ExecClient | None = None
        self._jobs: dict[int, Running] = {}
        self._deadlines = Deadlines()
        self._events: list[ExecEvent] = []
        self._exec_logs: dict[int, str] = {}
        self._logs: list[tuple[int, str, str]] = []
        self._meta: dict[str, object] = {}
        self._committed: list[Callable[[], None]] = []
        self._counts = {"started": 0, "finished": 0, "failed": 0}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what runs, then serve the job manager."""
        self.ctx.nursery.start_soon(self._deadlines.run)
        manager = self.ctx.provider("job-manager")
        manager.exec_attach(self)
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            manager.exec_detach()
            for exec_method in self._methods.values():
                exec_method.close()

    @method(allow=Role.OWNER | Role.USER)
    def stdin(self, request: Request) -> Later:
        """Write to tasks: {id, ranks="all", data, encoding?="UTF-8"|"base64", eof?}.

        The response comes when the tasks have room for more.
        """
        hierarchy = self.ctx.provider("hierarchy")
        if hierarchy is not None and hierarchy.has(request.get("id", int)):
            return hierarchy.pass_on(request)  # type: ignore[no-any-return]
        id, job = self._running(request)
        text = request.get("data", str, "")
        if request.get("encoding", str, "UTF-8") == "base64":
            from base64 import b64decode

            data = b64decode(text)
        else:
            data = text.encode("utf-8", "surrogateescape")
        job.inputs.add(request)

        def taken() -> None:
            job.inputs.discard(request)
            request.respond()

        request.on_cancel = lambda: job.inputs.discard(request)
        ranks = request.get("ranks", str, "all")
        job.method.stdin(id, ranks, data, request.get("eof", bool, False), taken)
        return LATER

    @method(allow=Role.OWNER | Role.USER)
    def resize(self, request: Request) -> Later | None:
        """Set the size of tasks' terminals: {id, ranks="all", rows, columns}."""
        hierarchy = self.ctx.provider("hierarchy")
        if hierarchy is not None and hierarchy.has(request.get("id", int)):
            return hierarchy.pass_on(request)  # type: ignore[no-any-return]
        id, job = self._running(request)
        rows, columns = request.get("rows", int), request.get("columns", int)
        if not (0 < rows < 1 << 16 and 0 < columns < 1 << 16):
            raise BournError(f"{request.topic}: {rows} rows and {columns} columns: right is 1 to 65535 each")
        resize = getattr(job.method, "resize", None)
        if resize is None:
            raise BournError(f"{request.topic}: job {id} has no terminal")
        resize(id, request.get("ranks", str, "all"), rows, columns)
        return None

    @method(allow=Role.OWNER | Role.USER)
    def pids(self, request: Request) -> Later:
        """Return the processes of a running job: {id} -> {tasks: [[host, task's rank, process id] ...]}."""
        id, job = self._running(request)
        find = getattr(job.method, "pids", None)
        if find is None:
            raise BournError(f"{request.topic}: job {id} has no processes")
        find(id, lambda tasks: request.respond({"tasks": tasks}))
        return LATER

    @method(allow=Role.OWNER | Role.USER, name="critical-ranks")
    def critical_ranks(self, request: Request) -> Later | None:
        """Say on which ranks a running job depends: {id, ranks}. Loss of another one doesn't end it."""
        id, job = self._running(request)
        ranks, there = IdSet(request.get("ranks", str)), IdSet(all_ranks(job.request.R))
        if ranks - there:
            raise BournError(f"{request.topic}: job {id} has no rank {ranks - there}; it has: {there}")
        take = getattr(job.method, "critical", None)
        if take is None:
            return None
        take(id, ranks)
        self.when_committed(request.respond)
        return LATER

    @method(allow=Role.OWNER | Role.USER)
    def awaited(self, request: Request) -> dict[str, str]:
        """Say which tasks may be missing in an exchange of a running parallel program: {id} -> {tasks}.

        They are those of all nodes but the ones whose tasks have all come to it.
        """
        id, job = self._running(request)
        take = getattr(job.method, "awaited", None)
        return {"tasks": str(take(id)) if take is not None else ""}

    def stats(self) -> dict[str, object]:
        """Return how many jobs run, by method, and counts since the start."""
        return {"running": len(self._jobs), "methods": sorted(self._methods), **self._counts}

    # Executor: called by the job manager

    def exec_hello(self, client: ExecClient, running: Sequence[tuple[StartRequest, bool]]) -> None:
        """Take up jobs from before a restart."""
        self._client = client
        again: dict[ExecMethod, list[tuple[StartRequest, bool]]] = {}
        for request, started in running:
            job = self._admit(request, started)
            if job is not None:
                again.setdefault(job.method, []).append((request, started))
                if started:
                    self._limit(job, time.time())
        for exec_method, jobs in again.items():
            self._guard([request for request, _ in jobs], exec_method.reattach, jobs)

    def start(self, jobs: Sequence[StartRequest]) -> None:
        """Run jobs."""
        batches: dict[ExecMethod, list[StartRequest]] = {}
        for request in jobs:
            job = self._admit(request, False)
            if job is not None:
                batches.setdefault(job.method, []).append(request)
        for exec_method, requests in batches.items():
            self._guard(requests, exec_method.start, requests)

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Send signals."""
        for id, signum in jobs:
            job = self._jobs.get(id)
            if job is not None:
                job.method.kill([(id, signum)])

    def cancel(self, ids: Sequence[int]) -> None:
        """End jobs: term-signal, then kill-signal again and again."""
        for id in ids:
            job = self._jobs.get(id)
            if job is not None and job.kills < 0:
                self._end(job, self._term)

    def expiration(self, id: int, t: float) -> None:
        """Move a time limit."""
        job = self._jobs.get(id)
        if job is None:
            return
        job.request.t_expiration = t or inf
        if job.started and job.kills < 0:
            self._limit(job, time.time())
        job.method.expiration(id, t)

    # ExecPort: called by methods

    def started(self, jobs: Iterable[tuple[int, float]]) -> None:
        """Report starts."""
        for id, t in jobs:
            job = self._jobs.get(id)
            if job is None or job.started:
                continue
            job.started = True
            self._counts["started"] += 1
            self._events.append(ExecEvent(id, "start", {}, t))
            at = f'{{"timestamp":{job.t_init:.6f},"name":'
            now = f'{{"timestamp":{t:.6f},"name":'
            self._exec_logs[id] = (
                f'{at}"init"}}\n{at}"starting"}}\n{now}"shell.init"}}\n{now}"shell.start"}}\n'
            )
            if job.kills < 0:
                self._limit(job, t)
        self.ctx.soon(self.flush)

    def finished(
        self, jobs: Iterable[tuple[int, float, int]], usage: Mapping[int, Usage] | None = None
    ) -> None:
        """Report ends."""
        events, logs = self._events, self._exec_logs
        for id, t, status in jobs:
            job = self._jobs.pop(id, None)
            if job is None:
                continue
            self._counts["finished"] += 1
            if job.due is not None:
                self._deadlines.cancel(job.due)
            while job.inputs:
                job.inputs.pop().respond()
            if job.started:
                events.append(ExecEvent(id, "finish", {"status": status}, t))
                now = f'{{"timestamp":{t:.6f},"name":'
                used = _USAGE % usage[id] if usage and id in usage else ""
                text = f'{now}"complete","context":{{"status":{status}{used}}}}}\n{now}"done"}}\n'
                logs[id] = logs[id] + text if id in logs else text
            events.append(ExecEvent(id, "release", {"ranks": all_ranks(job.request.R), "final": True}, t))
        self.ctx.soon(self.flush)

    def failed(self, jobs: Iterable[tuple[int, float, str, int, str]]) -> None:
        """Report exceptions."""
        for id, t, type, severity, note in jobs:
            if id in self._jobs:
                self._counts["failed"] += severity == 0
                context: dict[str, Any] = {"type": type, "severity": severity, "note": note}
                self._events.append(ExecEvent(id, "exception", context, t))
        self.ctx.soon(self.flush)

    def log(self, jobs: Iterable[tuple[int, str, str]]) -> None:
        """Report log lines."""
        self._logs.extend(jobs)
        self.ctx.soon(self.flush)

    def mark(self, meta: Mapping[str, object]) -> None:
        """Have named values made durable together with what is reported in this turn."""
        self._meta.update(meta)

    def when_committed(self, callback: Callable[[], None]) -> None:
        """Call back once what was reported in this turn is durable."""
        self._committed.append(callback)
        self.ctx.soon(self.flush)

    def flush(self) -> None:
        """Hand the job manager what has been reported; it follows by itself at the end of the turn."""
        if self._client is None or not (self._events or self._exec_logs or self._logs or self._committed):
            return
        events, logs, meta, committed = self._events, self._logs, self._meta, self._committed
        logs.extend((id, "guest.exec.eventlog", text) for id, text in self._exec_logs.items())
        self._events, self._logs, self._meta, self._committed = [], [], {}, []
        self._exec_logs.clear()
        self._client.exec_report(
            events, logs, partial(_call_all, committed) if committed else None, meta or None
        )

    # Inside

    def _running(self, request: Request) -> tuple[int, Running]:
        """Return the running job that a request is about, if who asks may have it."""
        id = request.get("id", int)
        job = self._jobs.get(id)
        if job is None:
            raise BournError(f"{request.topic}: job {id} isn't running", errno.ENOENT)
        if not request.is_owner and job.request.userid != request.userid:
            raise BournError(f"{request.topic}: job {id} is another user's", errno.EPERM)
        return id, job

    def _admit(self, request: StartRequest, started: bool) -> Running | None:
        try:
            exec_method = self._method(request)
        except BournError as error:
            self._refuse(request, started, error.message)
            return None
        job = self._jobs[request.id] = Running(request, exec_method, started)
        return job

    def _refuse(self, request: StartRequest, started: bool, note: str) -> None:
        now = time.time()
        events = self._events
        events.append(ExecEvent(request.id, "exception", {"type": "exec", "severity": 0, "note": note}, now))
        if started:
            events.append(ExecEvent(request.id, "finish", {"status": int(signal.SIGKILL)}, now))
        events.append(ExecEvent(request.id, "release", {"ranks": all_ranks(request.R), "final": True}, now))
        self.ctx.soon(self.flush)

    def _method(self, request: StartRequest) -> ExecMethod:
        name = self._table.method
        given = request.jobspec.system.get("exec")
        if given:
            name = given.get("method") or ("mock" if "test" in given else name)
        found = self._methods.get(name)
        if found is None:
            owned = self._specs.get(name)
            if owned is None:
                raise BournError(f"there is no exec method '{name}'{suggest(name, self._specs)}")
            try:
                found = self._methods[name] = owned.value.open(self)
            except BournError:
                raise
            except Exception as error:
                raise BournError(
                    self.ctx.plugins.report(owned.record, f"exec method '{name}'", error)
                ) from error
        return found

    def _guard(self, requests: Sequence[StartRequest], call: Callable[..., None], jobs: object) -> None:
        # A method that raises loses the jobs it was handed, not the module.
        try:
            call(jobs)
        except Exception as error:
            name = next(n for n, m in self._methods.items() if m is getattr(call, "__self__", None))
            if isinstance(error, BournError):
                note = error.message
            else:
                note = self.ctx.plugins.report(self._specs[name].record, f"exec method '{name}'", error)
            now = time.time()
            lost = [request.id for request in requests if request.id in self._jobs]
            self.failed([(id, now, "exec", 0, note) for id in lost])
            self.finished([(id, now, int(signal.SIGKILL)) for id in lost])

    def _limit(self, job: Running, t_start: float) -> None:
        if job.due is not None:
            self._deadlines.cancel(job.due)
            job.due = None
        request = job.request
        end = request.t_expiration
        if not end:
            overrides = request.overrides
            duration = (overrides or {}).get(DURATION)
            if duration is None:
                duration = request.jobspec.counts.duration
            if not duration:
                return
            end = t_start + duration
            request.t_expiration = end
        if end < inf:
            job.due = self._deadlines.add(max(0.0, end - time.time()), partial(self._expire, job))

    def _expire(self, job: Running) -> None:
        job.due = None
        self.failed([(job.request.id, time.time(), "timelimit", 0, "the job's time limit is over")])
        self._end(job, signal.SIGALRM)

    def _end(self, job: Running, signum: int) -> None:
        if job.due is not None:
            self._deadlines.cancel(job.due)
        job.kills = 0
        self._signal(job, signum)
        job.due = self._deadlines.add(self._table.kill_timeout, partial(self._kill_again, job))

    def _kill_again(self, job: Running) -> None:
        id, table = job.request.id, self._table
        if job.kills >= table.max_kill_count:
            ranks = all_ranks(job.request.R)
            note = f"the job's processes can't be killed (tried {job.kills} times); ranks {ranks} are drained"
            self.ctx.log.error("job %d: %s", id, note)
            self.ctx.post(
                "resource.drain", {"targets": ranks, "reason": f"job {id} can't be killed", "mode": "update"}
            )
            now = time.time()
            self.failed([(id, now, "exec", 0, note)])
            self.finished([(id, now, int(signal.SIGKILL))])
            return
        self._signal(job, self._kill)
        job.due = self._deadlines.add(table.kill_timeout * 2**job.kills, partial(self._kill_again, job))
        job.kills += 1

    def _signal(self, job: Running, signum: int) -> None:
        try:
            job.method.kill([(job.request.id, signum)])
        except Exception:
            self.ctx.log.exception("job %d can't be sent signal %d", job.request.id, signum)


def _signal(name: str, key: str) -> int:
    value = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    if not isinstance(value, signal.Signals):
        known = [member.name for member in signal.Signals]
        raise ConfigError(f"[exec] {key} = '{name}': there is no such signal{suggest(name, known)}")
    return int(value)


def _call_all(callbacks: list[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
