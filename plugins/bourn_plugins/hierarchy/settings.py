"""What `[hierarchy]` says, read so that what is wrong with it names its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError
from bourn_plugins.hierarchy.shape import plan
from bourn_plugins.hierarchy.table import HierarchyTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn.config import Config
    from bourn.hookspecs.distribution import DistributionPolicy
    from bourn.plugins import PluginManager
    from bourn_plugins.hierarchy.shape import Part

_LEAST = {"min": 0, "max": 1, "retries": 0, "backlog": 0}
"""The smallest numbers that make sense."""


def read_table(config: Config) -> HierarchyTable:
    """Return `[hierarchy]`; raises `ConfigError`."""
    table = config.table("hierarchy", HierarchyTable)
    for key, least in _LEAST.items():
        value = getattr(table, key)
        if value is not None and value < least:
            raise config.error(("hierarchy", key), f"must be from {least}, not {value}")
    if table.min is not None and table.max is not None and table.min > table.max:
        raise config.error(("hierarchy", "min"), f"{table.min} is more than max = {table.max}")
    if "shape" in (config.get("hierarchy.child.hierarchy") or {}):
        path = ("hierarchy", "child", "hierarchy", "shape")
        raise config.error(path, "what lies below a child is said by hierarchy.shape, as 2x4")
    return table


def read_parts(config: Config, nodes: Sequence[tuple[int, int]]) -> list[Part]:
    """Return the children's parts of nodes, each (cores, GPUs); raises `ConfigError`."""
    try:
        return plan(nodes, config.table("hierarchy", HierarchyTable).shape)
    except ConfigError as error:
        raise config.error(("hierarchy", "shape"), error.message) from None


def read_policy(config: Config, plugins: PluginManager) -> tuple[DistributionPolicy, str]:
    """Return the distribution policy, and whose it is; raises `ConfigError`."""
    from bourn.hookspecs.distribution import bourn_distribution_policies

    table = config.table("hierarchy", HierarchyTable)
    path = ("hierarchy", "policy")
    owned = plugins.pick(bourn_distribution_policies, table.policy, config.place(path))
    try:
        return owned.value.factory(table.policy_options), str(owned.record.owner)
    except ConfigError as error:
        raise config.error(("hierarchy", "policy-options"), error.message) from None


def check_child(config: Config, modules: Mapping[str, Any]) -> None:
    """Refuse a configuration of the children that each of them would refuse when it starts.

    `modules` are the tables that modules have, by name.
    """
    from bourn.broker.settings import ConnectorTable, TbonTable

    config.sub("hierarchy.child").check({"connector": ConnectorTable, "tbon": TbonTable, **modules})
