"""Puts a simulation together: plugins, configuration, scheduler, machine."""

from __future__ import annotations

import json
from math import inf
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bourn.config import Config, load_config
from bourn.errors import BournError, suggest
from bourn.hookspecs.modules import bourn_modules
from bourn.plugins import PluginManager
from bourn_plugins.simulate.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn.hookspecs.modules import ModuleSpec
    from bourn_plugins.simulate.job import Workload
    from bourn_plugins.simulate.machine import Machine
    from bourn_plugins.simulate.simulation import Result


@frozen
class Setting:
    """All of a simulation but the workload."""

    scheduler: ModuleSpec
    machine: Machine
    config: Config
    plugins: PluginManager

    def run(self, workload: Workload, until: float = inf) -> Result:
        """Simulate until nothing is left to happen, or the clock says `until`."""
        return Simulation(self.scheduler, self.machine, workload, self.config, self.plugins, until).run()


def make_setting(
    machine: Machine,
    plugins: PluginManager | None = None,
    scheduler: str = "",
    keys: Mapping[str, Any] | None = None,
    paths: Sequence[str] = (),
) -> Setting:
    """Return a setting: `keys` of ``[scheduler]``, as ``queue-policy``, come before what the configuration at
    `paths` says; `scheduler` names the module, by default the one that an instance would take.
    """
    plugins = load_plugins() if plugins is None else plugins
    file, format = machine.graph or ("", "")
    config = configure(paths, {**(keys or {}), "load-file": file, "load-format": format})
    name = scheduler or str(config.get("modules.sched", ""))
    return Setting(choose_scheduler(plugins, name), machine, config, plugins)


def configure(paths: Sequence[str] = (), keys: Mapping[str, Any] | None = None) -> Config:
    """Return an instance's configuration, with some keys of ``[scheduler]`` in place of what files say."""
    return load_config(paths, [f"scheduler.{key}={json.dumps(value)}" for key, value in (keys or {}).items()])


def load_plugins(config: Config | None = None) -> PluginManager:
    """Return the plugins that are installed, as ``[plugins]`` says."""
    plugins = PluginManager()
    plugins.load(config)
    return plugins


def choose_scheduler(plugins: PluginManager, name: str = "") -> ModuleSpec:
    """Return the module of a name that provides ``sched``, or the one of the highest priority."""
    specs = {spec.name: spec for _, spec in plugins.collect(bourn_modules) if "sched" in spec.provides}
    if not name:
        return max(specs.values(), key=lambda spec: spec.priority)
    if name not in specs:
        raise BournError(f"unknown scheduler '{name}'{suggest(name, specs)}")
    return specs[name]
