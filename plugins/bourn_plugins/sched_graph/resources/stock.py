"""Finds policies, readers and writers by name, among the plugins that are installed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bourn.hookspecs.match_policy import MatchPolicySpec
    from bourn.hookspecs.queue_policy import QueuePolicySpec
    from bourn.hookspecs.resource_io import ResourceReader, ResourceWriter
    from bourn.plugins import PluginManager


@cache
def installed() -> PluginManager:
    """Return what is installed, for a command that has no broker's plugins."""
    from bourn.plugins import PluginManager

    manager = PluginManager()
    manager.load()
    return manager


def _manager(plugins: PluginManager | None) -> PluginManager:
    return plugins if plugins is not None and plugins.records else installed()


def find(hook: str, kind: str, name: str, plugins: PluginManager | None = None) -> Any:
    """Return the object of a name at an extension point; BournError lists the names there are.

    A manager that has loaded nothing at all, as in a test of a module on its own, stands for what is
    installed.
    """
    known = _manager(plugins).named(hook)
    if name not in known:
        raise BournError(f"unknown {kind} '{name}'{suggest(name, known)}")
    return known[name].value


def reader(name: str, plugins: PluginManager | None = None) -> ResourceReader:
    """Return the reader of a format."""
    return cast("ResourceReader", find("bourn_resource_readers", "load format", name, plugins))


def reader_of(file: str, plugins: PluginManager | None = None) -> ResourceReader:
    """Return the reader that a file's name suggests, or that of GRUG."""
    return suffix_reader(file, plugins) or reader("grug", plugins)


def suffix_reader(file: str, plugins: PluginManager | None = None) -> ResourceReader | None:
    """Return the reader that a file's name suggests, if one does."""
    for owned in _manager(plugins).named("bourn_resource_readers").values():
        found: ResourceReader = owned.value
        if any(file.endswith(suffix) for suffix in found.suffixes):
            return found
    return None


def writer(name: str, plugins: PluginManager | None = None) -> ResourceWriter:
    """Return the writer of a format."""
    return cast("ResourceWriter", find("bourn_resource_writers", "match format", name, plugins))


def queue_policy(name: str, plugins: PluginManager | None = None) -> QueuePolicySpec:
    """Return a queue policy."""
    return cast("QueuePolicySpec", find("bourn_queue_policies", "queue policy", name, plugins))


def match_policy(name: str, plugins: PluginManager | None = None) -> MatchPolicySpec:
    """Return a match policy by its name, or the custom one that ``policy=high node_centric=true``
    describes.
    """
    kind = "custom" if "=" in name else name
    spec: MatchPolicySpec = find("bourn_match_policies", "match policy", kind, plugins)
    return _described(spec, name) if "=" in name else spec


def _described(spec: MatchPolicySpec, text: str) -> MatchPolicySpec:
    """Return the custom policy with the options of a text; BournError names the one that is wrong."""
    values: dict[str, str] = {}
    for part in text.split():
        key, _, value = part.partition("=")
        values[key] = value
    make: Callable[[Mapping[str, Any]], Any] = spec.factory
    make(values)
    return evolve(
        spec,
        name=text,
        factory=lambda options: make({**values, **options}),
        node_exclusive=values.get("node_exclusive") == "true",
    )
