"""The custom policy: ``policy=high|low`` and what else a policy by id may be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError, suggest
from bourn_policies.match.ids import IdPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLAGS = ("policy", "node_centric", "node_exclusive", "stop_on_1_matches")


def make_custom(options: Mapping[str, Any]) -> IdPolicy:
    """Return the policy of some options, as text or, from TOML, as booleans; without any it is as
    ``policy=high``. ConfigError names what is wrong.

    ``node_exclusive`` is for who asked: it is a property of the whole policy, not of its choice.
    """
    values: dict[str, str] = {}
    for key, value in options.items():
        if key not in _FLAGS:
            raise ConfigError(f"invalid policy option: {key}{suggest(key, _FLAGS)}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        right = ("high", "low") if key == "policy" else ("true", "false")
        if text not in right:
            raise ConfigError(f"policy option {key} must be {' or '.join(right)}, not '{value}'")
        values[key] = text
    if options and "policy" not in values:
        raise ConfigError("custom policy: policy=high or policy=low is missing")
    return IdPolicy(
        values.get("policy") != "low",
        node_centric=values.get("node_centric") == "true",
        stop_early=values.get("stop_on_1_matches") == "true",
    )
