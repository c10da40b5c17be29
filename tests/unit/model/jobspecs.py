"""Jobspecs for the tests here."""

from __future__ import annotations

from typing import Any


def core(count: Any = 1) -> dict[str, Any]:
    return {"type": "core", "count": count}


def slot(count: Any, *inside: dict[str, Any], label: str = "task", **keys: Any) -> dict[str, Any]:
    return {"type": "slot", "count": count, "label": label, "with": list(inside or [core()]), **keys}


def node(count: Any, *inside: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"type": "node", "count": count, **({"with": list(inside)} if inside else {}), **keys}


def jobspec(
    *resources: dict[str, Any], count: dict[str, Any] | None = None, system: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "version": 1,
        "resources": list(resources or [slot(1)]),
        "tasks": [{"command": ["app"], "slot": "task", "count": count or {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, **(system or {})}},
    }
