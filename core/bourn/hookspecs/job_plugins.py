"""Job plugins: code that takes part in every job's life inside the job manager.

A plugin subclasses `JobPlugin` and defines the callbacks it needs; it pays for those only. Callbacks are
plain calls in the job manager's turn: no I/O, no waiting. They see a job through `JobView` and change it
through `JobActions`.

Events of one job form one queue, first in, first out. An event that a callback posts waits until the
callbacks of the present event are through; a post from outside (a timer, a task of the plugin's own) takes
effect in the next turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from attrs import Factory, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bourn.broker.module import ModuleContext
    from bourn.config import Config
    from bourn.model.states import Result, State

__all__ = [
    "CALLBACKS",
    "Dependency",
    "JobActions",
    "JobHost",
    "JobPlugin",
    "JobView",
    "UpdateVerdict",
    "bourn_job_plugins",
    "defined_callbacks",
]

Dependency = dict[str, Any]
"""A dependency as in RFC 26: scheme, value, and what the scheme adds."""


class JobView(Protocol):
    """A job as plugins see it; read only."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def userid(self) -> int: ...  # noqa: D102
    @property
    def urgency(self) -> int:
        """0-31 (RFC 30); 0 holds the job."""
        ...

    @property
    def priority(self) -> int:
        """What the priority event set; -1 before that."""
        ...

    @property
    def flags(self) -> int: ...  # noqa: D102
    @property
    def state(self) -> State: ...  # noqa: D102
    @property
    def result(self) -> Result | None:
        """Set from the state CLEANUP on."""
        ...

    @property
    def t_submit(self) -> float:
        """Seconds since the epoch."""
        ...

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def queue(self) -> str | None: ...  # noqa: D102
    @property
    def jobspec(self) -> Mapping[str, Any]:
        """The jobspec as ingested, shared by all equal jobs; `attr` sees this job's own changes too."""
        ...

    @property
    def R(self) -> Mapping[str, Any] | None:
        """The resources it holds (RFC 20), from the state RUN on."""
        ...

    @property
    def dependencies(self) -> Iterable[str]:
        """Descriptions of the dependencies that hold it."""
        ...

    @property
    def exception(self) -> tuple[str, int, str] | None:
        """(type, severity, note) of the exception that ended it."""
        ...

    @property
    def waitstatus(self) -> int | None:
        """As of wait(2), from the finish event on."""
        ...

    @property
    def annotations(self) -> Mapping[str, Any]: ...  # noqa: D102

    def attr(self, key: str, default: Any = None) -> Any:
        """Look up a dotted key of the jobspec, updates included: ``attributes.system.duration``."""
        ...


class JobActions(Protocol):
    """What a plugin may do to jobs. An unknown or inactive id is ignored: the job may just have ended."""

    def now(self) -> float:
        """Return the time of this turn, in seconds since the epoch. Simulations have their own."""
        ...

    def post_event(self, id: int, name: str, context: Mapping[str, Any] | None = None) -> None:
        """Append an event to the job's eventlog."""
        ...

    def add_dependency(self, id: int, description: str) -> None:
        """Hold the job in DEPEND; only from `JobPlugin.new`, a dependency scheme, or `JobPlugin.depend`."""
        ...

    def remove_dependency(self, id: int, description: str) -> None:
        """Let go; when none is left the job goes on."""
        ...

    def prolog_start(self, id: int, description: str) -> None:
        """Delay the start of a job that has resources; only from `JobPlugin.run`."""
        ...

    def prolog_finish(self, id: int, description: str, status: int = 0) -> None:
        """End that delay; a status other than 0 raises a fatal exception."""
        ...

    def epilog_start(self, id: int, description: str) -> None:
        """Keep the resources of a job that has finished; only from `JobPlugin.cleanup` or before."""
        ...

    def epilog_finish(self, id: int, description: str, status: int = 0) -> None:
        """Let go of them."""
        ...

    def raise_exception(self, id: int, type: str, severity: int, note: str) -> None:
        """Raise a job exception; severity 0 ends the job."""
        ...

    def set_priority(self, id: int, priority: int) -> None:
        """Set the priority of a pending job, 0..4294967295."""
        ...

    def set_annotations(self, id: int, annotations: Mapping[str, Any]) -> None:
        """Merge annotations, which users see and which don't outlive the job's end; None removes a key."""
        ...

    def set_memo(self, id: int, memo: Mapping[str, Any]) -> None:
        """Merge a memo, which is kept with the job (event ``memo``)."""
        ...

    def set_flags(self, id: int, flags: Iterable[str]) -> None:
        """Set flags by name (event ``set-flags``)."""
        ...

    def update_jobspec(self, id: int, updates: Mapping[str, Any]) -> None:
        """Change dotted keys for this job (event ``jobspec-update``)."""
        ...

    def set_resources(self, id: int, R: Mapping[str, Any]) -> None:
        """Give the job resources past the scheduler; only before the state SCHED ends."""
        ...

    def wake(self, plugin: JobPlugin, at: float, id: int) -> None:
        """Have `JobPlugin.wake` called for the job at that time (epoch seconds), or at once if it is past."""
        ...


class JobHost(Protocol):
    """What a plugin gets when it is loaded."""

    @property
    def config(self) -> Config: ...  # noqa: D102
    @property
    def ctx(self) -> ModuleContext | None:
        """The job manager's module context, for plugins with tasks of their own; None in a simulation."""
        ...

    @property
    def actions(self) -> JobActions: ...  # noqa: D102

    def job(self, id: int) -> JobView | None:
        """Return an active job."""
        ...

    def jobs(self) -> Iterator[JobView]:
        """Return all active jobs."""
        ...


@frozen
class UpdateVerdict:
    """An agreement to change a job's jobspec."""

    updates: Mapping[str, Any] = Factory(dict)
    """Further dotted keys that change with it."""
    feasibility: bool = False
    """Whether the scheduler must find the changed jobspec feasible first."""


class JobPlugin:
    """Subclass it and define what you need; a callback that isn't defined costs nothing.

    In the order of a job's life. Plugins are called in load order.
    """

    name: str
    """Unique; what ``[job-manager] plugins`` names."""
    default: ClassVar[bool] = False
    """Whether it is in use without being named in the configuration."""
    dependency_schemes: Mapping[str, Callable[[JobView, Dependency, JobActions], str | None]] = {}
    """Scheme -> handler, called when a job with such a dependency is accepted or replayed. None: the handler
    has added the dependency, or it is satisfied already; a text refuses the job."""
    events: frozenset[str] = frozenset()
    """Names of events to be told of through `event`, for any job."""
    update_keys: frozenset[str] = frozenset()
    """Dotted jobspec keys whose change this plugin decides through `update`."""

    def load(self, host: JobHost) -> None:
        """Start, before any other callback. `create` and `new` follow for jobs that are active."""

    def conf_update(self, config: Config) -> str | None:
        """Take a new configuration, at load and at reload: None agrees, a reason refuses it as a whole."""
        return None

    def create(self, job: JobView, act: JobActions) -> None:
        """A job came into being: submitted, replayed at restart, or there when the plugin was loaded."""

    def validate(self, job: JobView, act: JobActions) -> str | None:
        """Accept (None) a submission or refuse it with a reason; not called for replayed jobs."""
        return None

    def new(self, job: JobView, act: JobActions) -> None:
        """A job was accepted (durably), or replayed; dependencies may be added."""

    def depend(self, job: JobView, act: JobActions) -> None:
        """The job entered DEPEND."""

    def priority(self, job: JobView, act: JobActions) -> None:
        """The job entered PRIORITY."""

    def priority_get(self, job: JobView, act: JobActions) -> int | None:
        """Return the priority, or None to leave it to the next plugin and at last the priority policy."""
        return None

    def sched(self, job: JobView, act: JobActions) -> None:
        """The job entered SCHED."""

    def run(self, job: JobView, act: JobActions) -> None:
        """The job has its resources and is about to start; a prolog may delay that."""

    def cleanup(self, job: JobView, act: JobActions) -> None:
        """The job finished, or a fatal exception ended it."""

    def inactive(self, job: JobView, act: JobActions) -> None:
        """The job is over: result, exception and times are final."""

    def event(self, job: JobView, name: str, context: Mapping[str, Any], act: JobActions) -> None:
        """An event named in `events` was posted."""

    def wake(self, job: JobView, act: JobActions) -> None:
        """The time given to `JobActions.wake` has come and the job is still active."""

    def update(self, job: JobView, key: str, value: Any, act: JobActions) -> UpdateVerdict | str | None:
        """Agree to a change of `key` (a verdict), refuse it (a reason), or have no opinion (None).

        A change that nobody agrees to is refused.
        """
        return None

    def inactive_add(self, job: JobView) -> None:
        """The job joined the inactive ones."""

    def inactive_remove(self, id: int) -> None:
        """The inactive job was purged."""

    def array_inactive(self, id: int, counts: Mapping[str, int], act: JobActions) -> None:
        """The last member of a job array has ended, durably; how many `completed`, `failed`, ... is final."""

    def destroy(self, job: JobView) -> None:
        """The last callback of a job; drop what is kept for it."""

    def query(self) -> dict[str, Any]:
        """Return state for ``bourn plugins NAME`` and for debugging."""
        return {}


CALLBACKS = (
    "load",
    "conf_update",
    "create",
    "validate",
    "new",
    "depend",
    "priority",
    "priority_get",
    "sched",
    "run",
    "cleanup",
    "inactive",
    "event",
    "wake",
    "update",
    "inactive_add",
    "inactive_remove",
    "array_inactive",
    "destroy",
    "query",
)
"""The names of all callbacks."""


def defined_callbacks(plugin: object) -> frozenset[str]:
    """Return the names of the callbacks that a plugin defines itself, which are the only ones to call."""
    found = ((name, getattr(type(plugin), name, None)) for name in CALLBACKS)
    return frozenset(name for name, own in found if own is not None and own is not getattr(JobPlugin, name))


@hookspec
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register code that takes part in the life of jobs.

    Called: once, when the job manager starts; the objects' callbacks then follow each job.
    Process: broker, rank 0; and the simulator.
    Order: callbacks run in plugin order: stock first, then by name, as ``[plugins] order`` says.
    Errors: an exception in the hook leaves these plugins out. A callback that raises is recorded with the
    plugin's name and version and the job gets an exception of severity 0 and type ``plugin`` if the callback
    was to decide about it (validate, a dependency scheme); otherwise the job goes on.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.job_plugins import JobPlugin


        class NightOnly(JobPlugin):
            '''Holds jobs of the queue `night` until the next full hour.'''

            name = "night-only"

            def depend(self, job, act):
                if job.queue == "night":
                    act.add_dependency(job.id, "night")
                    act.wake(self, (act.now() // 3600 + 1) * 3600, job.id)

            def wake(self, job, act):
                act.remove_dependency(job.id, "night")


        @hookimpl
        def bourn_job_plugins():
            yield NightOnly()
    """
    raise NotImplementedError
