"""The resource module between configuration, scheduler and eventlog, with a scheduler that is made up."""

from __future__ import annotations

from typing import Any

import trio

from bourn.broker.module import Module, Request, method
from bourn.config import Config
from bourn.hookspecs.modules import ModuleSpec, bourn_modules
from bourn.plugins import PluginManager
from bourn.testing.broker import memory_broker

HOSTS = [{"hosts": "n[0-2]", "cores": "0-3"}]


def config(**resource: Any) -> dict[str, Any]:
    return {"resource": {"config": HOSTS, **resource}}


class SlowScheduler(Module):
    """Takes its time for a change of the graph."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.asked, self.go = trio.Event(), trio.Event()

    @method()
    def released(self, request: Request) -> dict[str, int]:
        return {"count": 0}

    @method()
    async def update(self, request: Request) -> dict[str, Any]:
        self.asked.set()
        await self.go.wait()
        return {"changes": [], "ranks": "", "R": None, "down": "", "jobs": []}


async def test_a_new_configuration_waits_for_a_change_of_the_graph() -> None:
    plugins = PluginManager()
    plugins.load()
    specs = [s for _, s in plugins.collect(bourn_modules) if s.name in ("store", "resource")]
    slow = ModuleSpec("sched", SlowScheduler)
    async with (
        memory_broker(*specs, slow, config=config(), plugins=plugins, attrs={"hostname": "n0"}) as broker,
        broker.stream("resource.acquire") as news,
        trio.open_nursery() as nursery,
    ):
        assert (await anext(news))["resources"]["execution"]["R_lite"][0]["rank"] == "0-2"
        scheduler = broker.provider("sched")
        nursery.start_soon(broker.rpc, "resource.update", {"changes": []})
        await scheduler.asked.wait()
        broker.broker.adopt(Config(config(exclude="n2")))
        scheduler.go.set()
        told = [await anext(news), await anext(news)]
        assert ["updated" in each for each in told] == [True, False]
        assert told[1]["resources"]["execution"]["R_lite"][0]["rank"] == "0-1"
