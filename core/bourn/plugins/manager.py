"""The plugin manager: loads what is installed, keeps a record of each plugin, and calls hooks one plugin at a
time.

Pluggy registers and checks the plugins. The loading loop and the calls are Bourn's own: pluggy's loader stops
at the first broken plugin, and one implementation that raises there discards what all others returned.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import pluggy
from attrs import field, frozen

from bourn.errors import ConfigError, PluginError, suggest
from bourn.hookspecs import GROUPS, HOOKS
from bourn.plugins.compat import incompatibility
from bourn.plugins.discovery import scan
from bourn.plugins.inspection import checked, describe, implementations, import_plugin, one_line
from bourn.plugins.record import PluginRecord, PluginState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bourn.config import Config
    from bourn.config.tables import PluginsTable
    from bourn.plugins.discovery import EntryPoint

__all__ = ["Owned", "PluginManager"]

T = TypeVar("T")

log = logging.getLogger("bourn.plugins")


@frozen
class Owned(Generic[T]):
    """Something that a plugin registered, with the plugin that answers for it."""

    record: PluginRecord
    value: T = field()


class _Pluggy(pluggy.PluginManager):
    """Pluggy, without its look at every name of every module: hooks are called ``bourn_...`` or are marked
    so."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return how a function of a plugin implements a hook; `implementations` has checked it already."""
        options = getattr(getattr(plugin, name, None), "bourn_impl", None)
        return options if isinstance(options, dict) else None  # type: ignore[return-value]

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> pluggy.HookspecOpts | None:
        """Return a specification's options."""
        return super().parse_hookspec_opts(module_or_class, name) if name in HOOKS else None


class PluginManager:
    """All plugins of a process. Used from one thread."""

    def __init__(self) -> None:
        self.records: list[PluginRecord] = []
        """In load order, one for each entry point found."""
        self._pluggy = _Pluggy("bourn")
        self._specs: set[str] = set()
        self._called: dict[tuple[str, int], list[Any]] = {}
        """What each implementation, by hook and record, has registered: it is called once."""

    # Loading

    def load(
        self,
        config: Config | None = None,
        groups: Iterable[str] = GROUPS,
        path: Sequence[str] | None = None,
        disable: Iterable[str] = (),
    ) -> None:
        """Load what is installed, as ``[plugins]`` says; `disable` is for a process that has no
        configuration.

        Raises `ConfigError` if that table names a plugin that isn't installed, and `PluginError` if a
        required one can't be used. No other fault of a plugin raises: it is in its record.
        """
        groups = tuple(groups)
        entries = scan(path)
        disabled = set(disable)
        rank: dict[str, int] = {}
        if config is not None:
            from bourn.config.tables import PluginsTable

            table = config.table("plugins", PluginsTable)
            self._check_names(table, {entry.name for entry in entries})
            disabled.update(table.disable)
            rank = {name: position for position, name in enumerate(table.order)}
        entries = [entry for entry in entries if entry.group in groups]
        entries.sort(key=lambda entry: (groups.index(entry.group), rank.get(entry.name, len(rank))))
        for entry in entries:
            self.records.append(self._load_one(entry, blocked=entry.name in disabled))
        if config is not None:
            self._check_required(table)

    def register(
        self, plugin: object, name: str = "", *, owner: str = "local", version: str = "0"
    ) -> PluginRecord:
        """Register a plugin that isn't installed: a user's file, or a test's object; its record says how it
        went."""
        name = name or getattr(plugin, "__name__", type(plugin).__name__)
        record = PluginRecord(name, "", getattr(plugin, "__name__", ""), owner, version)
        self._adopt(record, plugin)
        self.records.append(record)
        return record

    def _check_names(self, table: PluginsTable, known: set[str]) -> None:
        for key, names in (("disable", table.disable), ("order", table.order), ("require", table.require)):
            for name in names:
                if name not in known:
                    raise ConfigError(
                        f"[plugins] {key}: plugin '{name}' isn't installed{suggest(name, known)}"
                    )

    def _check_required(self, table: PluginsTable) -> None:
        fine = (PluginState.LOADED, PluginState.DUPLICATE)  # of a duplicate the other one is loaded
        for record in self.records:
            if record.name in table.require and record.state not in fine:
                raise PluginError(f"[plugins] require: {record} is {record.state}: {record.reason}")

    def _load_one(self, entry: EntryPoint, *, blocked: bool) -> PluginRecord:
        record = PluginRecord(entry.name, entry.group, entry.value, entry.distribution, entry.version)
        if blocked:
            return self._refuse(record, PluginState.BLOCKED, "[plugins] disable names it")
        for other in self.records:
            if (other.group, other.name, other.state) == (record.group, record.name, PluginState.LOADED):
                return self._refuse(record, PluginState.DUPLICATE, f"its name is that of {other}")
        reason = "" if entry.stock else incompatibility(entry)
        if reason:
            return self._refuse(record, PluginState.INCOMPATIBLE, reason)
        try:
            plugin = import_plugin(entry.value)
        except (Exception, SystemExit) as error:  # sys.exit() in a plugin must not end the broker
            return self._refuse(record, PluginState.IMPORT_ERROR, describe(error))
        self._adopt(record, plugin)
        return record

    def _adopt(self, record: PluginRecord, plugin: object) -> None:
        """Check a plugin's hooks and register it with pluggy, or say in the record what is wrong with it."""
        hooks, fault = implementations(plugin)
        if fault:
            self._refuse(record, PluginState.INVALID, fault)
            return
        for hook in hooks:
            self._specify(HOOKS[hook][0])
        try:
            self._pluggy.register(plugin, f"{record.group}:{record.name}")
        except pluggy.PluginValidationError as error:
            self._refuse(record, PluginState.INVALID, one_line(error))
        except ValueError:
            other = next((r for r in self.records if r.plugin is plugin), None)
            what = f"it is the same object as {other}" if other else f"the name '{record.name}' is taken"
            self._refuse(record, PluginState.DUPLICATE, what)
        else:
            record.plugin = plugin
            record.hooks = hooks

    def _specify(self, point: str) -> None:
        """Add the hook specifications of one extension point, when the first plugin for it comes."""
        if point not in self._specs:
            self._specs.add(point)
            self._pluggy.add_hookspecs(import_module(f"bourn.hookspecs.{point}"))

    def _refuse(self, record: PluginRecord, state: PluginState, reason: str) -> PluginRecord:
        record.state, record.reason = state, reason
        if state is not PluginState.BLOCKED:
            log.error("%s is %s: %s", record, state, reason)
        return record

    # Calling

    @overload
    def collect(self, hook: Callable[[], Iterable[T]]) -> list[tuple[PluginRecord, T]]: ...
    @overload
    def collect(self, hook: str) -> list[tuple[PluginRecord, Any]]: ...
    def collect(self, hook: Callable[[], Iterable[Any]] | str) -> list[tuple[PluginRecord, Any]]:
        """Call a hook of every plugin that has it; return what they registered, each with its owner.

        `hook` is the specification itself (``collect(bourn_validators)``, which gives the result its type) or
        its name. A plugin that raises, or returns what it shouldn't, is recorded and left out. Of two objects
        of one name the first is kept. The call is made once; later calls return the same objects.
        """
        name = hook if isinstance(hook, str) else hook.__name__
        if name not in HOOKS:
            raise PluginError(f"no such hook: {name}{suggest(name, HOOKS)}")
        if HOOKS[name][0] not in self._specs:
            return []
        taken: dict[str, PluginRecord] = {}
        result: list[tuple[PluginRecord, Any]] = []
        for implementation, record in self._order(name):
            for value in self._call(name, implementation, record):
                if value.name in taken:
                    self._clash(name, value.name, taken[value.name], record)
                else:
                    taken[value.name] = record
                    result.append((record, value))
        return result

    @overload
    def named(self, hook: Callable[[], Iterable[T]]) -> dict[str, Owned[T]]: ...
    @overload
    def named(self, hook: str) -> dict[str, Owned[Any]]: ...
    def named(self, hook: Callable[[], Iterable[Any]] | str) -> dict[str, Owned[Any]]:
        """Like `collect`, by the name of each object, in plugin order."""
        return {value.name: Owned(record, value) for record, value in self.collect(hook)}

    def pick(self, hook: Callable[[], Iterable[T]], name: str, key: str) -> Owned[T]:
        """Return the object of that name, which the configuration key `key` asks for.

        Raises `ConfigError` that names the key and lists what there is, and why a plugin that isn't in use
        isn't.
        """
        known = self.named(hook)
        if name in known:
            return known[name]
        what = hook.__name__.removeprefix("bourn_").replace("_", " ").replace("policies", "policys")[:-1]
        raise ConfigError(f"{key}: no {what} is named '{name}'{suggest(name, known)}{self._missing()}")

    def report(self, record: PluginRecord, where: str, error: BaseException) -> str:
        """Record and log that a plugin failed at `where`; return the line. A repeated failure is logged
        once."""
        text = f"{where}: {describe(error)}"
        if text not in record.errors:
            record.errors.append(text)
            log.error("%s: %s", record, text)
        return f"{record}: {text}"

    def _order(self, hook: str) -> list[tuple[pluggy.HookImpl, PluginRecord]]:
        """Return a hook's implementations in the order of calling, each with whose it is."""
        owner = {id(record.plugin): record for record in self.records if record.plugin is not None}
        # pluggy keeps trylast, normal, tryfirst, each in order of registration, which is the load order.
        found = getattr(self._pluggy.hook, hook).get_hookimpls()
        found = sorted(
            found, key=lambda implementation: (implementation.trylast, not implementation.tryfirst)
        )
        return [(implementation, owner[id(implementation.plugin)]) for implementation in found]

    def _call(self, hook: str, implementation: pluggy.HookImpl, record: PluginRecord) -> list[Any]:
        """Return what an implementation registers; nothing, and a note in its record, if it fails."""
        key = (hook, id(record))
        if key not in self._called:
            values: list[Any] = []
            try:
                values = [checked(hook, value) for value in implementation.function() or ()]  # type: ignore[attr-defined]
            except (Exception, SystemExit) as error:
                self.report(record, hook, error)
            self._called[key] = values
            record.provides[hook] = [value.name for value in values]
        return self._called[key]

    def _clash(self, hook: str, name: str, kept: PluginRecord, dropped: PluginRecord) -> None:
        text = f"{hook}: '{name}' of {dropped} is left out, {kept} registered that name first"
        if text in dropped.errors:
            return
        log.error(text)
        for record in {id(kept): kept, id(dropped): dropped}.values():
            record.errors.append(text)

    def _missing(self) -> str:
        """Say which plugins aren't in use, or failed: one of them may be the one that is missed."""
        notes = [f"{r} is {r.state}" for r in self.records if r.state is not PluginState.LOADED]
        notes += [f"{r} failed in {r.errors[0]}" for r in self.records if r.errors]
        return f" ({'; '.join(notes)})" if notes else ""
