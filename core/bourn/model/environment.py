"""Where a jobspec has its environment, which travels and is kept beside it, as unlike jobs share one."""

from __future__ import annotations

from typing import Any


def environment_of(obj: Any) -> Any:
    """Return the environment in a jobspec's tree, whatever that is; None where there is none."""
    try:
        return obj["attributes"]["system"]["environment"]
    except (KeyError, TypeError, IndexError):
        return None


def with_environment(obj: dict[str, Any], environment: object) -> dict[str, Any]:
    """Return a jobspec's tree with another environment; of `obj` nothing changes."""
    attributes = obj["attributes"]
    system = {**attributes["system"], "environment": environment}
    return {**obj, "attributes": {**attributes, "system": system}}


def without_environment(obj: dict[str, Any]) -> dict[str, Any]:
    """Return a jobspec's tree without its environment; of `obj` nothing changes."""
    attributes = obj["attributes"]
    system = attributes["system"].copy()
    del system["environment"]
    return {**obj, "attributes": {**attributes, "system": system}}
