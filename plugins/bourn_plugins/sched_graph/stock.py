"""Finds policies, readers and writers by name, through the hooks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from bourn.hookspecs.match_policy import MatchPolicySpec, Scorer
    from bourn.hookspecs.resource_io import ResourceReader, ResourceWriter

_FLAGS = ("policy", "node_centric", "node_exclusive", "stop_on_1_matches")


_STOCK = {
    "bourn_match_policies": "bourn_policies.match.plugin",
    "bourn_queue_policies": "bourn_policies.queue.plugin",
    "bourn_resource_readers": "bourn_plugins.graph_readers.plugin",
    "bourn_resource_writers": "bourn_plugins.graph_writers.plugin",
}
"""Stock plugins come first in order, so a stock name is found without looking at what else is installed."""


def find(hook: str, kind: str, name: str) -> Any:
    """Return the object of a name at an extension point; BournError lists the names there are."""
    stock = list(getattr(import_module(_STOCK[hook]), hook)())
    for item in stock:
        if item.name == name:
            return item
    from bourn.plugins import PluginManager

    manager = PluginManager()
    manager.load()
    others = [item for _, item in manager.collect(hook)]
    for item in others:
        if item.name == name:
            return item
    raise BournError(f"unknown {kind} '{name}'{suggest(name, {item.name for item in (*stock, *others)})}")


def reader(name: str) -> ResourceReader:
    """Return the reader of a format."""
    found: ResourceReader = find("bourn_resource_readers", "load format", name)
    return found


def writer(name: str) -> ResourceWriter:
    """Return the writer of a format."""
    found: ResourceWriter = find("bourn_resource_writers", "match format", name)
    return found


def match_policy(name: str) -> MatchPolicySpec:
    """Return a match policy by its name, or the custom one that ``policy=high node_centric=true``
    describes.
    """
    if "=" in name:
        return custom(name)
    spec: MatchPolicySpec = find("bourn_match_policies", "match policy", name)
    return spec


def custom(text: str) -> MatchPolicySpec:
    """Return the policy of a custom string; BournError names the option that is wrong."""
    from bourn.hookspecs.match_policy import MatchPolicySpec
    from bourn_policies.match.ids import IdPolicy

    values: dict[str, str] = {}
    for part in text.split():
        key, equals, value = part.partition("=")
        if key not in _FLAGS:
            raise BournError(f"invalid policy option: {key}{suggest(key, _FLAGS)}")
        right = ("high", "low") if key == "policy" else ("true", "false")
        if not equals or value not in right:
            raise BournError(f"policy option {key} must be {' or '.join(right)}, not '{value}'")
        values[key] = value
    if "policy" not in values:
        raise BournError(f"custom policy '{text}': policy=high or policy=low is missing")

    def make(options: object) -> IdPolicy:
        return IdPolicy(
            values["policy"] == "high",
            node_centric=values.get("node_centric") == "true",
            stop_early=values.get("stop_on_1_matches") == "true",
        )

    return MatchPolicySpec(text, make, node_exclusive=values.get("node_exclusive") == "true")


def scorer_of(policy: Any) -> Scorer:
    """Return the exact scores of a stock policy, or ones that ask a policy of any kind."""
    make = getattr(policy, "scorer", None)
    if make is not None:
        scorer: Scorer = make()
        return scorer
    from bourn_plugins.sched_graph.generic import KeyScorer

    return cast("Scorer", KeyScorer(policy))
