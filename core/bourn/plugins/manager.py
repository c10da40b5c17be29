"""The plugin manager: loads what is installed, keeps a record of each plugin, and calls hooks one plugin at a
time.

Pluggy registers and checks the plugins. The loading loop and the calls are Bourn's own: pluggy's loader stops
at the first broken plugin, and one implementation that raises there discards what all others returned.
"""

from __future__ import annotations

import inspect
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import pluggy
from attrs import field, frozen

from bourn.errors import BournError, ConfigError, PluginError, suggest
from bourn.hookspecs import GROUPS, HOOKS
from bourn.plugins.compat import incompatibility
from bourn.plugins.discovery import scan
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
    """Pluggy, without its look at every name of every module: hooks are called ``bourn_...`` or are marked so."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return how a function of a plugin implements a hook; `_implementations` has checked it already."""
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
        self._collected: dict[str, list[tuple[PluginRecord, Any]]] = {}

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
        for record in self.records:
            if record.name in table.require and record.state is not PluginState.LOADED:
                if record.state is PluginState.DUPLICATE:
                    continue
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
            plugin = _import(entry.value)
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # a plugin that calls sys.exit() at import must not take the broker along
            return self._refuse(record, PluginState.IMPORT_ERROR, _describe(error))
        self._adopt(record, plugin)
        return record

    def _adopt(self, record: PluginRecord, plugin: object) -> None:
        """Check a plugin's hooks and register it with pluggy, or say in the record what is wrong with it."""
        hooks, fault = _implementations(plugin)
        if fault:
            self._refuse(record, PluginState.INVALID, fault)
            return
        for hook in hooks:
            self._specify(HOOKS[hook][0])
        try:
            self._pluggy.register(plugin, f"{record.group}:{record.name}")
        except pluggy.PluginValidationError as error:
            self._refuse(record, PluginState.INVALID, _pluggy_reason(error))
        except ValueError:
            other = next((r for r in self.records if r.plugin is plugin), None)
            what = f"it is the same object as {other}" if other else f"the name '{record.name}' is taken"
            self._refuse(record, PluginState.DUPLICATE, what)
        else:
            record.plugin = plugin
            record.hooks = hooks
            self._collected.clear()

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
        if name not in self._collected:
            self._collected[name] = self._call(name)
        return list(self._collected[name])

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
        text = f"{where}: {_describe(error)}"
        if text not in record.errors:
            record.errors.append(text)
            log.error("%s: %s", record, text)
        return f"{record}: {text}"

    def _call(self, hook: str) -> list[tuple[PluginRecord, Any]]:
        owner = {id(record.plugin): record for record in self.records if record.plugin is not None}
        if HOOKS[hook][0] not in self._specs:
            return []
        implementations = getattr(self._pluggy.hook, hook).get_hookimpls()
        # pluggy keeps trylast, normal, tryfirst, each in order of registration, which is the load order.
        implementations = sorted(implementations, key=lambda impl: (impl.trylast, not impl.tryfirst))
        taken: dict[str, PluginRecord] = {}
        result: list[tuple[PluginRecord, Any]] = []
        for implementation in implementations:
            record = owner[id(implementation.plugin)]
            try:
                values = [_checked(hook, value) for value in implementation.function() or ()]
            except Exception as error:
                self.report(record, hook, error)
                continue
            for value in values:
                if value.name in taken:
                    self._clash(hook, value.name, taken[value.name], record)
                    continue
                taken[value.name] = record
                record.provides.setdefault(hook, []).append(value.name)
                result.append((record, value))
        return result

    def _clash(self, hook: str, name: str, kept: PluginRecord, dropped: PluginRecord) -> None:
        text = f"{hook}: '{name}' of {dropped} is left out, {kept} registered that name first"
        log.error(text)
        for record in {id(kept): kept, id(dropped): dropped}.values():
            record.errors.append(text)

    def _missing(self) -> str:
        """Say which plugins aren't in use, or failed: one of them may be the one that is missed."""
        notes = [f"{r} is {r.state}" for r in self.records if r.state is not PluginState.LOADED]
        notes += [f"{r} failed in {r.errors[0]}" for r in self.records if r.errors]
        return f" ({'; '.join(notes)})" if notes else ""


def _import(value: str) -> object:
    """Import ``package.module`` or ``package.module:attribute``."""
    module, _, attribute = value.partition(":")
    found: object = import_module(module)
    for part in attribute.split(".") if attribute else ():
        found = getattr(found, part)
    return found


def _implementations(plugin: object) -> tuple[tuple[str, ...], str]:
    """Return the names of the hooks that a plugin implements, or what is wrong with it."""
    hooks: list[str] = []
    for name in dir(plugin):
        value = getattr(plugin, name, None)
        options = getattr(value, "bourn_impl", None)
        if not (name in HOOKS or isinstance(options, dict)) or not inspect.isroutine(value):
            continue
        if options is None:
            if name in HOOKS and not hasattr(value, "bourn_spec"):
                return (), f"{name} lacks the decorator @hookimpl"
            continue
        hook = options.get("specname") or name
        if options.get("wrapper") or options.get("hookwrapper"):
            return (), f"{name}: hooks here register objects, there is nothing to wrap"
        if inspect.iscoroutinefunction(value):
            return (
                (),
                f"{name}: a hook is synchronous; asynchronous work lives in the objects that it returns",
            )
        if hook in HOOKS:
            hooks.append(hook)
        elif not options.get("optionalhook"):
            return (), f"no such hook: {hook}{suggest(hook, HOOKS)}"
    return tuple(sorted(hooks)), "" if hooks else "it implements no hook"


def _checked(hook: str, value: Any) -> Any:
    """Return a registered object if it is what the hook asks for."""
    point, type_name = HOOKS[hook]
    expected = getattr(import_module(f"bourn.hookspecs.{point}"), type_name)
    if not getattr(expected, "_is_protocol", False) and not isinstance(value, expected):
        raise TypeError(f"it must return {type_name} objects, not {type(value).__name__}: {value!r:.60}")
    name = getattr(value, "name", None)
    if not isinstance(name, str) or not name:
        raise TypeError(f"the {type_name} that it returns needs a name, which is a text that isn't empty")
    return value


def _describe(error: BaseException) -> str:
    if isinstance(error, BournError):
        return error.message
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _pluggy_reason(error: pluggy.PluginValidationError) -> str:
    """Return pluggy's message in one line."""
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
