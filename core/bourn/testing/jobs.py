"""A job to try job plugins on, and their conformance check."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from bourn.config import Config
from bourn.hookspecs.job_plugins import CALLBACKS, JobPlugin, UpdateVerdict, defined_callbacks
from bourn.model.states import Result, State
from bourn.testing.ensure import ensure, ensure_name, ensure_reason
from bourn.testing.samples import jobspec, resource_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bourn.broker.module import ModuleContext
    from bourn.hookspecs.job_plugins import JobActions, JobView

__all__ = ["FakeJob", "FakeJobManager", "check_job_plugin"]


@define(eq=False)
class FakeJob:
    """A job whose fields a test sets; it satisfies `JobView`."""

    id: int = 1
    jobspec: dict[str, Any] = Factory(jobspec)
    userid: int = 1000
    urgency: int = 16
    priority: int = -1
    flags: int = 0
    state: State = State.NEW
    result: Result | None = None
    t_submit: float = 1000.0
    name: str = "true"
    queue: str | None = None
    R: dict[str, Any] | None = None
    dependencies: set[str] = Factory(set)
    exception: tuple[str, int, str] | None = None
    waitstatus: int | None = None
    annotations: dict[str, Any] = Factory(dict)
    updates: dict[str, Any] = Factory(dict)
    """Dotted keys laid over the jobspec."""

    def attr(self, key: str, default: Any = None) -> Any:
        """Look up a dotted key."""
        if key in self.updates:
            return self.updates[key]
        value: Any = self.jobspec
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value


class FakeJobManager:
    """The job manager as a plugin sees it: `JobHost` and `JobActions` in one, which keeps what it was told.

    It holds the plugin to the rules of `JobActions` about what may be done when: a breach is an
    AssertionError.
    """

    def __init__(self, plugin: JobPlugin, config: Config | None = None, now: float = 1000.0) -> None:
        self.plugin = plugin
        self.config = config or Config()
        self.ctx: ModuleContext | None = None
        self.time = now
        self.known: dict[int, FakeJob] = {}
        self.calls: list[tuple[Any, ...]] = []
        """(action, job id, ...) in order."""
        self.wakeups: list[tuple[float, int]] = []
        self.prologs: dict[int, set[str]] = {}
        self.epilogs: dict[int, set[str]] = {}
        self._callback = ""

    @property
    def actions(self) -> JobActions:
        """Itself."""
        return self

    def job(self, id: int) -> JobView | None:
        """Return an active job."""
        return self.known.get(id)

    def jobs(self) -> Iterator[JobView]:
        """Return the active jobs."""
        return iter(list(self.known.values()))

    def now(self) -> float:
        """Return the time, which only a test moves."""
        return self.time

    def call(self, callback: str, *args: Any) -> Any:
        """Call one of the plugin's callbacks if it defines it."""
        if callback not in defined_callbacks(self.plugin):
            return None
        self._callback = callback
        try:
            return getattr(self.plugin, callback)(*args)
        finally:
            self._callback = ""

    # Actions

    def post_event(self, id: int, name: str, context: Mapping[str, Any] | None = None) -> None:
        """Note it."""
        ensure(isinstance(name, str) and name, f"post_event: an event needs a name, not {name!r}")
        self.calls.append(("post_event", id, name, dict(context or {})))

    def add_dependency(self, id: int, description: str) -> None:
        """Add it to the job."""
        self._only("add_dependency", "new", "depend", "dependency scheme")
        self.calls.append(("add_dependency", id, description))
        if id in self.known:
            self.known[id].dependencies.add(description)

    def remove_dependency(self, id: int, description: str) -> None:
        """Take it from the job."""
        self.calls.append(("remove_dependency", id, description))
        if id in self.known:
            self.known[id].dependencies.discard(description)

    def prolog_start(self, id: int, description: str) -> None:
        """Note it."""
        self._only("prolog_start", "run")
        self.calls.append(("prolog_start", id, description))
        self.prologs.setdefault(id, set()).add(description)

    def prolog_finish(self, id: int, description: str, status: int = 0) -> None:
        """Note it."""
        ensure(description in self.prologs.get(id, ()), f"prolog_finish: '{description}' wasn't started")
        self.calls.append(("prolog_finish", id, description, status))
        self.prologs[id].discard(description)

    def epilog_start(self, id: int, description: str) -> None:
        """Note it."""
        ensure(self._callback != "inactive", "epilog_start: too late in inactive, the resources are gone")
        self.calls.append(("epilog_start", id, description))
        self.epilogs.setdefault(id, set()).add(description)

    def epilog_finish(self, id: int, description: str, status: int = 0) -> None:
        """Note it."""
        ensure(description in self.epilogs.get(id, ()), f"epilog_finish: '{description}' wasn't started")
        self.calls.append(("epilog_finish", id, description, status))
        self.epilogs[id].discard(description)

    def raise_exception(self, id: int, type: str, severity: int, note: str) -> None:
        """Note it."""
        ensure(0 <= severity <= 7, f"raise_exception: the severity is 0..7, not {severity}")
        self.calls.append(("raise_exception", id, type, severity, note))

    def set_priority(self, id: int, priority: int) -> None:
        """Note it."""
        ensure(0 <= priority < 1 << 32, f"set_priority: 0..4294967295, not {priority}")
        self.calls.append(("set_priority", id, priority))

    def set_annotations(self, id: int, annotations: Mapping[str, Any]) -> None:
        """Note it."""
        self.calls.append(("set_annotations", id, dict(annotations)))

    def set_memo(self, id: int, memo: Mapping[str, Any]) -> None:
        """Note it."""
        self.calls.append(("set_memo", id, dict(memo)))

    def set_flags(self, id: int, flags: Iterable[str]) -> None:
        """Note it."""
        self.calls.append(("set_flags", id, tuple(flags)))

    def update_jobspec(self, id: int, updates: Mapping[str, Any]) -> None:
        """Lay it over the job."""
        self.calls.append(("update_jobspec", id, dict(updates)))
        if id in self.known:
            self.known[id].updates.update(updates)

    def set_resources(self, id: int, R: Mapping[str, Any]) -> None:
        """Note it."""
        self._only(
            "set_resources", "create", "validate", "new", "depend", "priority", "priority_get", "sched"
        )
        self.calls.append(("set_resources", id, dict(R)))

    def wake(self, plugin: JobPlugin, at: float, id: int) -> None:
        """Note it; `run_wakeups` calls back."""
        ensure(plugin is self.plugin, "wake: a plugin can wake itself only")
        ensure("wake" in defined_callbacks(plugin), "wake: the plugin asks to be woken and defines no `wake`")
        self.wakeups.append((at, id))

    def run_wakeups(self) -> None:
        """Move the time to each wake-up in turn, and call back for those whose job is still there."""
        due, self.wakeups = sorted(self.wakeups), []
        for at, id in due:
            self.time = max(self.time, at)
            if id in self.known:
                self.call("wake", self.known[id], self)

    def _only(self, action: str, *where: str) -> None:
        ensure(
            not self._callback or self._callback in where,
            f"{action} was called in {self._callback}; it may be used in {', '.join(where)} only",
        )


def check_job_plugin(plugin: JobPlugin, *, config: Config | None = None, job: FakeJob | None = None) -> None:
    """Take a job through its whole life with a plugin, and hold the plugin to the contract.

    Each callback takes the arguments it is called with, returns what it may, uses actions only where they are
    allowed, and doesn't raise. A plugin that holds a job by a dependency or a prolog is let go of by its
    wake-ups, if it asked for any. Then the same once more with the job cancelled early, and for a job there
    at load time.
    """
    what = ensure_name(plugin, "job plugin")
    defined = defined_callbacks(plugin)
    ensure(
        defined or plugin.dependency_schemes,
        f"{what} defines no callback; there are: {', '.join(CALLBACKS)}",
    )
    for name in defined:
        _check_signature(plugin, name, what)
    ensure("event" in defined or not plugin.events, f"{what} subscribes to events and defines no `event`")
    ensure("update" in defined or not plugin.update_keys, f"{what} has update_keys and defines no `update`")
    manager = FakeJobManager(plugin, config)
    manager.call("load", manager)
    reason = manager.call("conf_update", manager.config)
    ensure(reason is None, f"{what} refuses the configuration: {reason}")
    for position, last in enumerate((State.INACTIVE, State.DEPEND, State.RUN), 1):
        subject = job if job is not None and position == 1 else FakeJob(position)
        _live(manager, subject, what, last)
    if "query" in defined:
        answer = manager.call("query")
        ensure(isinstance(answer, dict), f"{what}: query must return a dict, not {answer!r}")


def _live(manager: FakeJobManager, job: FakeJob, what: str, last: State) -> None:
    """Take a job to its end; it is cancelled in the state `last`."""
    call = manager.call
    manager.known[job.id] = job
    call("create", job, manager)
    refused = call("validate", job, manager)
    if refused is not None:
        ensure_reason(refused, f"{what}: validate")
        call("destroy", job)
        del manager.known[job.id]
        return
    call("new", job, manager)
    for name, state in (
        ("depend", State.DEPEND),
        ("priority", State.PRIORITY),
        ("sched", State.SCHED),
        ("run", State.RUN),
    ):
        job.state = state
        call(name, job, manager)
        manager.run_wakeups()
        if name == "priority":
            given = call("priority_get", job, manager)
            ensure(
                given is None or (isinstance(given, int) and 0 <= given < 1 << 32),
                f"{what}: priority_get must return 0..4294967295 or None, not {given!r}",
            )
            job.priority = given if given is not None else job.urgency
        if name == "sched":
            job.R = resource_set(1)
        if state is last:
            job.exception = ("cancel", 0, "")
            break
    for event in manager.plugin.events:
        call("event", job, event, {}, manager)
    for key in manager.plugin.update_keys:
        verdict = call("update", job, key, job.attr(key), manager)
        if verdict is not None and not isinstance(verdict, UpdateVerdict):
            ensure_reason(verdict, f"{what}: update of {key}")
    job.state = State.CLEANUP
    job.result = Result.CANCELED if job.exception else Result.COMPLETED
    job.waitstatus = None if job.exception else 0
    call("cleanup", job, manager)
    manager.run_wakeups()
    job.state = State.INACTIVE
    del manager.known[job.id]
    call("inactive", job, manager)
    call("inactive_add", job)
    call("destroy", job)
    call("inactive_remove", job.id)
    manager.run_wakeups()


def _check_signature(plugin: JobPlugin, name: str, what: str) -> None:
    own = inspect.signature(getattr(plugin, name))
    wanted = list(inspect.signature(getattr(JobPlugin, name)).parameters)[1:]
    try:
        own.bind(*wanted)
    except TypeError:
        raise AssertionError(f"{what}: {name} is called with ({', '.join(wanted)}), it takes {own}") from None
    ensure(
        not inspect.iscoroutinefunction(getattr(plugin, name)),
        f"{what}: {name} must not be async; start tasks in the nursery of `JobHost.ctx`",
    )
