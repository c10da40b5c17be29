"""Job plugins in use: who wants which callback, and each call isolated from the others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from attrs import define, field

from bourn.errors import BournError, suggest
from bourn.hookspecs.job_plugins import UpdateVerdict, defined_callbacks
from bourn.model.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.config import Config
    from bourn.hookspecs.job_plugins import JobActions, JobHost, JobPlugin
    from bourn_plugins.job_manager.job import Job

log = logging.getLogger("bourn.job-manager")

_STATE_CALLBACKS = {
    State.DEPEND: "depend",
    State.PRIORITY: "priority",
    State.SCHED: "sched",
    State.RUN: "run",
    State.CLEANUP: "cleanup",
    State.INACTIVE: "inactive",
}


@define(eq=False)
class Loaded:
    """A job plugin in use."""

    plugin: JobPlugin
    owner: str
    """The distribution or module it came from, with its version, for messages."""
    failures: int = 0
    last_failure: str = ""

    @property
    def title(self) -> str:
        """As in messages: the plugin and where it is from."""
        return f"job plugin '{self.plugin.name}' ({self.owner})"


Subscriber = tuple[Loaded, "Callable[..., Any]"]


@define(eq=False)
class Hooks:
    """Calls job plugins; those that don't define a callback are not called.

    A callback that raises is logged and counted under its plugin's name and version. Where it was to
    decide (`validate`, a dependency scheme, `update`) that is a refusal; elsewhere the job goes on without
    it.
    """

    act: JobActions | None = None
    loaded: dict[str, Loaded] = field(factory=dict)
    subscribers: dict[str, list[Subscriber]] = field(factory=dict)
    schemes: dict[str, Subscriber] = field(factory=dict)
    events: dict[str, list[Subscriber]] = field(factory=dict)
    updates: dict[str, list[Subscriber]] = field(factory=dict)
    create: list[Subscriber] = field(factory=list)
    validate: list[Subscriber] = field(factory=list)
    new: list[Subscriber] = field(factory=list)
    priority_get: list[Subscriber] = field(factory=list)
    states: dict[State, list[Subscriber]] = field(factory=dict)
    """Callbacks by the state that a job enters; no key where there are none."""

    def add(self, plugin: JobPlugin, owner: str, host: JobHost) -> Loaded:
        """Load a plugin; BournError if it refuses, or its name or a dependency scheme is taken."""
        other = self.loaded.get(plugin.name)
        if other is not None:
            raise BournError(f"job plugin '{plugin.name}' of {owner} has the name of one of {other.owner}")
        for scheme in plugin.dependency_schemes:
            if scheme in self.schemes:
                raise BournError(
                    f"job plugin '{plugin.name}': dependency scheme '{scheme}' belongs to "
                    f"{self.schemes[scheme][0].title}"
                )
        entry = Loaded(plugin, owner)
        callbacks = defined_callbacks(plugin)
        try:
            if "load" in callbacks:
                plugin.load(host)
            reason = plugin.conf_update(host.config) if "conf_update" in callbacks else None
        except BournError as error:
            reason = error.message
        except Exception as error:
            log.exception("%s: load", entry.title)
            reason = f"{type(error).__name__}: {error}"
        if reason is not None:
            raise BournError(f"{entry.title}: {reason}")
        self.act = host.actions
        self.loaded[plugin.name] = entry
        for name in callbacks:
            self.subscribers.setdefault(name, []).append((entry, getattr(plugin, name)))
        for scheme, handler in plugin.dependency_schemes.items():
            self.schemes[scheme] = (entry, handler)
        if "event" in callbacks:
            for name in plugin.events:
                self.events.setdefault(name, []).append((entry, plugin.event))
        if "update" in callbacks:
            for key in plugin.update_keys:
                self.updates.setdefault(key, []).append((entry, plugin.update))
        self._index()
        return entry

    def remove(self, name: str) -> None:
        """Unload a plugin; ENOENT if there is none of this name."""
        if name not in self.loaded:
            import errno

            raise BournError(f"no such job plugin '{name}'{suggest(name, self.loaded)}", errno.ENOENT)
        del self.loaded[name]
        for table in (self.subscribers, self.events, self.updates):
            for key, entries in list(table.items()):
                kept = [entry for entry in entries if entry[0].plugin.name != name]
                if kept:
                    table[key] = kept
                else:
                    del table[key]
        self.schemes = {key: entry for key, entry in self.schemes.items() if entry[0].plugin.name != name}
        self._index()

    def _index(self) -> None:
        get = self.subscribers.get
        self.create = get("create", [])
        self.validate = get("validate", [])
        self.new = get("new", [])
        self.priority_get = get("priority_get", [])
        self.states = {state: get(name, []) for state, name in _STATE_CALLBACKS.items() if get(name)}

    def tell(self, subscribers: Sequence[Subscriber], *args: Any) -> None:
        """Call all, whatever they return or raise."""
        for entry, function in subscribers:
            try:
                function(*args)
            except Exception as error:
                self.failed(entry, function, error)

    def check(self, job: Job) -> str | None:
        """Ask all whether a submission may go on: the first refusal, or None."""
        for entry, function in self.validate:
            try:
                reason = function(job, self.act)
            except Exception as error:
                return self.failed(entry, function, error)
            if reason is not None:
                return str(reason)
        return None

    def depend(self, job: Job, dependency: Any) -> str | None:
        """Hand a dependency to who knows its scheme: None, or the reason why the job is refused."""
        scheme = dependency.get("scheme") if isinstance(dependency, dict) else None
        if not isinstance(scheme, str):
            return f"dependency {dependency!r} lacks a scheme"
        subscriber = self.schemes.get(scheme)
        if subscriber is None:
            return f"dependency scheme '{scheme}' is unknown{suggest(scheme, self.schemes)}"
        entry, handler = subscriber
        try:
            reason: str | None = handler(job, dependency, self.act)
        except BournError as error:
            return error.message
        except Exception as error:
            return self.failed(entry, handler, error)
        return reason

    def priority(self, job: Job) -> int | None:
        """Return the first priority that a plugin gives."""
        for entry, function in self.priority_get:
            try:
                priority = function(job, self.act)
            except Exception as error:
                self.failed(entry, function, error)
                continue
            if priority is not None:
                return int(priority)
        return None

    def update(self, job: Job, key: str, value: Any) -> UpdateVerdict | str:
        """Ask whether `key` may change: the first opinion; nobody's agreement is a refusal."""
        for entry, function in self.updates.get(key, ()):
            try:
                verdict = function(job, key, value, self.act)
            except Exception as error:
                return self.failed(entry, function, error)
            if verdict is not None:
                return verdict if isinstance(verdict, UpdateVerdict) else str(verdict)
        if key in self.updates:
            return f"update of {key} is not allowed"
        return f"update of {key} is not supported{suggest(key, self.updates)}"

    def reconfigure(self, config: Config) -> None:
        """Offer a new configuration; BournError with the first plugin's refusal."""
        for entry, function in self.subscribers.get("conf_update", ()):
            reason = function(config)
            if reason is not None:
                raise BournError(f"{entry.title}: {reason}")

    def failed(self, entry: Loaded, function: Callable[..., Any], error: Exception) -> str:
        """Record that a callback raised; return the text for whoever is concerned."""
        entry.failures += 1
        callback = getattr(function, "__name__", "callback")
        entry.last_failure = f"{entry.title} failed in {callback}: {type(error).__name__}: {error}"
        log.error(entry.last_failure, exc_info=error)
        return entry.last_failure

    def describe(self) -> list[Mapping[str, Any]]:
        """Return what is loaded, in order."""
        return [
            {"name": name, "owner": entry.owner, "failures": entry.failures, "error": entry.last_failure}
            for name, entry in self.loaded.items()
        ]
