"""Puts a simulation together: plugins, configuration, scheduler."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.config import Config, load_config
from bourn.errors import BournError, suggest
from bourn.hookspecs.modules import bourn_modules
from bourn.plugins import PluginManager

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn.hookspecs.modules import ModuleSpec
    from bourn_plugins.simulate.machine import Machine


def load_plugins(config: Config | None = None) -> PluginManager:
    """Return the plugins that are installed."""
    plugins = PluginManager()
    plugins.load(config)
    return plugins


def choose_scheduler(plugins: PluginManager, name: str = "") -> ModuleSpec:
    """Return the module that provides ``sched``: the named one, or that of the highest priority."""
    specs = {spec.name: spec for _, spec in plugins.collect(bourn_modules) if "sched" in spec.provides}
    if not name:
        return max(specs.values(), key=lambda spec: spec.priority)
    if name not in specs:
        raise BournError(f"unknown scheduler '{name}'{suggest(name, specs)}")
    return specs[name]


def configure(paths: Sequence[str] = (), scheduler: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration of an instance, with keys of ``[scheduler]`` in place of what files say."""
    overrides = [f"scheduler.{key}={json.dumps(value)}" for key, value in (scheduler or {}).items()]
    return load_config(paths, overrides)


def graph_keys(machine: Machine) -> dict[str, Any]:
    """Return the keys of ``[scheduler]`` that name the machine's graph."""
    if machine.graph is None:
        return {}
    return {"load-file": machine.graph[0], "load-format": machine.graph[1]}
