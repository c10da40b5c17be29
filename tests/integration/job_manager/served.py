"""An instance in memory with everything but real execution."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bourn.broker.module import Module
from bourn.hookspecs.modules import ModuleSpec, bourn_modules
from bourn.plugins import PluginManager
from bourn.testing.broker import MemoryBroker, memory_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MODULES = ("store", "job-manager", "job-info", "job-ingest", "resource", "sched-simple", "job-exec")


class NoShells(Module):
    """In place of the shell manager: mocked jobs need none."""


@asynccontextmanager
async def instance(
    config: dict[str, Any] | None = None,
    *,
    without: tuple[str, ...] = (),
    statedir: Path | None = None,
    duration: float = 0.0,
) -> AsyncIterator[MemoryBroker]:
    """Run an instance of one node with four cores whose jobs take `duration` seconds and succeed."""
    plugins = PluginManager()
    plugins.load()
    specs = [spec for _, spec in plugins.collect(bourn_modules) if spec.name in MODULES]
    tables: dict[str, Any] = {
        "exec": {"method": "mock", "mock": {"run-duration": duration}},
        "resource": {"config": [{"hosts": "node0", "cores": "0-3"}], "assume-up": True},
        **(config or {}),
    }
    chosen = [spec for spec in specs if spec.name not in without]
    chosen.append(ModuleSpec("shell-manager", NoShells))
    async with memory_broker(*chosen, config=tables, plugins=plugins, statedir=statedir) as broker:
        yield broker


def jobspec(command: str = "true", **system: Any) -> dict[str, Any]:
    """Return a jobspec of one core."""
    return {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": [command], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, **system}},
    }


async def submit(
    broker: MemoryBroker, count: int = 1, spec: dict[str, Any] | None = None, **fields: Any
) -> list[int]:
    """Submit equal jobs."""
    payload = {"jobspecs": [spec or jobspec()], "jobs": [{"jobspec": 0, **fields} for _ in range(count)]}
    reply = await broker.rpc("job-ingest.submit", payload)
    ids: list[int] = reply["ids"]
    return ids
