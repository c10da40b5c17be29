"""Execution: how the job manager has jobs run, and how an exec method runs them.

The job manager calls the ``job-exec`` module (an `Executor`) once a turn with everything that changed;
job-exec picks each job's `ExecMethod`, watches time limits, escalates kills, and reports to the job manager
(an `ExecClient`), once a turn. All calls are plain, synchronous and batched. R and jobspec are immutable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from attrs import define, field, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.broker.module import ModuleContext
    from bourn.model.interned import InternedJobspec

__all__ = [
    "ExecClient",
    "ExecEvent",
    "ExecMethod",
    "ExecMethodSpec",
    "ExecPort",
    "Executor",
    "StartRequest",
    "Usage",
    "bourn_exec_methods",
]


@define(eq=False)
class StartRequest:
    """A job that has its resources and is to run."""

    id: int
    userid: int
    jobspec: InternedJobspec
    """Shared by all equal jobs."""
    overrides: dict[str, Any] | None
    """Dotted keys that this job has besides, or instead of, those of the jobspec."""
    R: dict[str, Any]
    """RFC 20."""
    t_expiration: float = 0.0
    """When its time limit ends it (epoch seconds); 0: the jobspec's duration from its start, if any."""
    flags: int = 0


@define(eq=False)
class ExecEvent:
    """What happened to a running job; becomes an event of its eventlog (RFC 18)."""

    id: int
    name: str
    """``start``, ``exception``, ``finish`` or ``release``, in this order. A job that can't be started has an
    ``exception`` of type ``exec`` and a ``release``; ``finish`` follows only a ``start``."""
    context: dict[str, Any]
    """start: {}; finish: {status: wait status}; release: {ranks: idset, final: bool}; exception: {type,
    severity, note}."""
    t: float
    """When it happened (epoch seconds, the clock of the node)."""


class ExecClient(Protocol):
    """What job-exec calls: the job manager."""

    def exec_report(
        self,
        events: Sequence[ExecEvent],
        logs: Sequence[tuple[int, str, str]],
        committed: Callable[[], None] | None = None,
        meta: Mapping[str, object] | None = None,
    ) -> None:
        """Take what happened since the last report, in order.

        `logs` are (id, log name, JSON lines) for the batch that carries the events, so that a job's output is
        durable with its end; `meta` are named values of the store that belong to it as well (`Store.meta`).
        `committed` is called once when all of it is durable; what was reported is then forgotten by whoever
        kept it.
        """
        ...


@runtime_checkable
class Executor(Protocol):
    """What the module that provides ``job-exec`` implements. Each call only notes its input."""

    def exec_hello(self, client: ExecClient, running: Sequence[tuple[StartRequest, bool]]) -> None:
        """Attach the job manager, once, before any other call.

        `running` are the jobs that were handed out before a restart and have no ``release``, each with
        whether its ``start`` is in its eventlog. They are taken up again, or end with an exception.
        """
        ...

    def start(self, jobs: Sequence[StartRequest]) -> None:
        """Run jobs; each gets exactly one final ``release``."""
        ...

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Send each (id, signal number) to all processes of a job; a job that has ended is ignored."""
        ...

    def cancel(self, ids: Sequence[int]) -> None:
        """End jobs after an exception of severity 0: ``[exec] term-signal``, then ``kill-signal`` until
        they're gone."""
        ...

    def expiration(self, id: int, t: float) -> None:
        """Move the end of a running job to `t` (epoch seconds, 0 = none)."""
        ...


class Usage(NamedTuple):
    """What the tasks of a job have used."""

    wall: float
    """Seconds from the first task's start to the last one's end."""
    user: float
    """Seconds of CPU, of all tasks and what they waited for."""
    system: float
    maxrss: int
    """The largest resident set of one process (KiB)."""


class ExecPort(Protocol):
    """What an exec method calls: job-exec, which looks after time limits, kills and reports."""

    ctx: ModuleContext
    """The module's context: configuration, nursery, other services."""

    def started(self, jobs: Iterable[tuple[int, float]]) -> None:
        """Tell that each (id, time) is running."""
        ...

    def failed(self, jobs: Iterable[tuple[int, float, str, int, str]]) -> None:
        """Tell of an exception: (id, time, type, severity, note); `finished` still follows."""
        ...

    def finished(
        self, jobs: Iterable[tuple[int, float, int]], usage: Mapping[int, Usage] | None = None
    ) -> None:
        """Tell that each (id, time, wait status) is over and its resources are unused. The last call about a
        job. `usage`, by job id, goes into its log."""
        ...

    def log(self, jobs: Iterable[tuple[int, str, str]]) -> None:
        """Add (id, log name, JSON lines) to the jobs' logs."""
        ...

    def mark(self, meta: Mapping[str, object]) -> None:
        """Have named values of the store made durable together with what is told in this turn."""
        ...

    def when_committed(self, callback: Callable[[], None]) -> None:
        """Call back once all that was told in this turn is durable."""
        ...

    def flush(self) -> None:
        """Pass on at once what was told; otherwise that is done at the end of the turn."""
        ...


class ExecMethod(Protocol):
    """Runs jobs. Plain calls on the broker's loop; whatever waits belongs into tasks of
    ``port.ctx.nursery``."""

    def start(self, jobs: Sequence[StartRequest]) -> None:
        """Begin to run jobs; `ExecPort.started` and, in the end, `ExecPort.finished` are told of each."""
        ...

    def reattach(self, jobs: Sequence[tuple[StartRequest, bool]]) -> None:
        """Take up jobs from before a restart of the broker, or end them with an ``exec`` exception."""
        ...

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Send each (id, signal number) to the whole of a job."""
        ...

    def expiration(self, id: int, t: float) -> None:
        """Learn that the end of a running job has moved (epoch seconds, 0 = none); job-exec acts on it."""
        ...

    def stdin(self, id: int, ranks: str, data: bytes, eof: bool, taken: Callable[[], None]) -> None:
        """Write to the standard input of tasks `ranks` (idset, or ``all``); BournError where that isn't
        possible. `taken` is called when there is room for more."""
        ...

    def close(self) -> None:
        """Let go of everything; no job of this method is running any more, unless jobs outlive the broker."""
        ...


@frozen
class ExecMethodSpec:
    """An exec method by name."""

    name: str
    """Unique; what ``[exec] method`` and the jobspec's ``attributes.system.exec.method`` name."""
    open: Callable[[ExecPort], ExecMethod] = field(repr=False)
    """Called when the first job of this method comes."""


@hookspec
def bourn_exec_methods() -> Iterable[ExecMethodSpec]:
    """Register ways to run a job.

    Called: once, when the job-exec module starts.
    Process: broker, rank 0.
    Order: ``[exec] method`` picks one by name (default ``shell``), a job another by
    ``attributes.system.exec.method``; order doesn't matter.
    Errors: an exception in the hook leaves this plugin's methods out; a name that isn't there refuses the
    start, or ends the job with an ``exec`` exception. If a method raises while it starts jobs, these jobs end
    with an ``exec`` exception that names it.
    Since: 0.1

    Example::

        import time

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.exec_method import ExecMethodSpec


        class Instant:
            def __init__(self, port):
                self.port = port

            def start(self, jobs):
                now = time.time()
                self.port.started([(job.id, now) for job in jobs])
                self.port.finished([(job.id, now, 0) for job in jobs])

            def reattach(self, jobs):
                self.start([job for job, _ in jobs])

            def kill(self, jobs):
                pass

            def expiration(self, id, t):
                pass

            def stdin(self, id, ranks, data, eof, taken):
                taken()

            def close(self):
                pass


        @hookimpl
        def bourn_exec_methods():
            yield ExecMethodSpec("instant", Instant)
    """
    raise NotImplementedError
