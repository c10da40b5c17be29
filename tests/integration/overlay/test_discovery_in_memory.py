"""Resources that brokers find: remembered, compared, given to jobs; brokers in memory, machines made up."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bourn.broker.module import Module
from bourn.broker.overlay.machines import Machine
from bourn.errors import BournError, RPCError
from bourn.hookspecs.modules import ModuleSpec, bourn_modules
from bourn.model.rset import ResourceSet
from bourn.plugins import PluginManager
from bourn.testing.overlay import MemoryInstance, memory_instance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

THREE = {rank: Machine(f"n{rank}", 0b11) for rank in range(3)}
MODULES = ("store", "job-manager", "job-info", "job-ingest", "resource", "job-exec")
STAY = {"boot.hosts-stay": "1", "hostlist": "n[0-2]"}


class NoShells(Module):
    """In place of the shell manager: mocked jobs need none."""


@asynccontextmanager
async def discovered(
    machines: dict[int, Machine],
    *,
    size: int = 3,
    attrs: dict[str, str] = STAY,
    statedir: Path | None = None,
    scheduler: str = "sched-simple",
    **tables: Any,
) -> AsyncIterator[MemoryInstance]:
    plugins = PluginManager()
    plugins.load()
    specs = [
        spec for _, spec in plugins.collect(bourn_modules) if spec.name in MODULES or spec.name == scheduler
    ]
    config = {"exec": {"method": "mock", "mock": {"run-duration": 1e6}}, **tables}
    async with memory_instance(
        size,
        *specs,
        ModuleSpec("shell-manager", NoShells),
        config=config,
        plugins=plugins,
        attrs={"broker.quorum": str(len(machines)), **attrs},
        machines=machines,
        statedir=statedir,
    ) as instance:
        yield instance


async def status(instance: MemoryInstance) -> dict[str, Any]:
    found: dict[str, Any] = await instance[0].rpc("resource.status")
    return found


async def reasons(instance: MemoryInstance) -> dict[str, str]:
    return {entry["ranks"]: entry["reason"] for entry in (await status(instance))["drain"]}


async def until_up(instance: MemoryInstance, ranks: str) -> None:
    async with instance[0].stream("resource.acquire") as news:
        await anext(news)
        while (await status(instance))["up"] != ranks:
            await anext(news)


async def definitions(instance: MemoryInstance) -> list[Any]:
    log = (await instance[0].rpc("resource.eventlog"))["eventlog"]
    events = [json.loads(line) for line in log.splitlines()]
    return [event["context"].get("R") for event in events if event["name"] == "resource-define"]


async def come(instance: MemoryInstance, rank: int, machine: Machine) -> None:
    instance.machines[rank] = machine
    await instance.start(rank)


async def test_all_that_came_is_remembered_and_those_that_do_not_come_back_are_down(tmp_path: Path) -> None:
    async with discovered(THREE, statedir=tmp_path) as instance:
        await until_up(instance, "0-2")
        assert ResourceSet.from_dict((await status(instance))["R"]).summary() == "rank[0-2]/core[0-1]"
    async with discovered({0: THREE[0]}, statedir=tmp_path) as instance:
        found = await status(instance)
        R = ResourceSet.from_dict(found["R"])
        assert (R.summary(), str(R.nodelist)) == ("rank[0-2]/core[0-1]", "n[0-2]")
        assert (found["up"], found["offline"], found["drain"]) == ("0", "1-2", [])
        assert (await definitions(instance))[-1] is None, "nothing new"
        await come(instance, 2, THREE[2])
        await until_up(instance, "0,2")
    async with discovered({0: THREE[0]}, size=2, statedir=tmp_path) as instance:
        assert (await instance[0].rpc("resource.info"))["ranks"] == "0-1", "there is no rank 2 any more"


async def test_each_rank_is_told_once_however_often_its_link_is_lost() -> None:
    async with discovered(THREE) as instance:
        await until_up(instance, "0-2")
        before = await definitions(instance)
        assert ResourceSet.from_dict(before[0]).ranks
        await instance.cut(1)
        await instance.until(lambda: instance[0].broker.online == 0b101)
        await instance.until(lambda: instance[0].broker.online == 0b111)
        await until_up(instance, "0-2")
        assert await definitions(instance) == before


async def test_a_host_that_comes_back_with_less_is_drained_until_someone_says_otherwise(
    tmp_path: Path,
) -> None:
    async with discovered(THREE, statedir=tmp_path) as instance:
        await until_up(instance, "0-2")
        await instance.stop(1)
        await come(instance, 1, Machine("n1", 0b01))
        await instance.until(lambda: any("is drained" in text for text in instance.log))
        assert await reasons(instance) == {"1": "missing resources: cores 1"}
        await instance.stop(1)
        await come(instance, 1, THREE[1])
        assert await reasons(instance) == {"1": "missing resources: cores 1"}, "whole, but nobody has looked"
        await instance[0].rpc("resource.undrain", {"targets": "n1"})
        await until_up(instance, "0-2")
        await instance.stop(2)
        await come(instance, 2, Machine("m", 0b11))
        await instance.until(lambda: any("rank 2 is drained" in text for text in instance.log))
        assert await reasons(instance) == {"2": "host m is here in place of n2"}
    # Rank 0 was away meanwhile: it finds both, of which one is drained already.
    short = {0: THREE[0], 1: Machine("n1", 0b10), 2: Machine("m", 0b11)}
    async with discovered({0: THREE[0]}, statedir=tmp_path) as instance:
        for rank in (1, 2):
            await come(instance, rank, short[rank])
        await instance.until(lambda: any("rank 1 is drained" in text for text in instance.log))
        assert await reasons(instance) == {
            "1": "missing resources: cores 0",
            "2": "host m is here in place of n2",
        }
        await instance[0].rpc("resource.reload")
        R = ResourceSet.from_dict((await status(instance))["R"])
        assert (str(R.cores(1)), str(R.nodelist)) == ("1", "n[0-1],m")
        assert set(await reasons(instance)) == {"1", "2"}
        await instance[0].rpc("resource.undrain", {"targets": "1-2"})
        await until_up(instance, "0-2")


async def test_where_ranks_are_no_certain_hosts_a_start_takes_what_it_finds(tmp_path: Path) -> None:
    launched = {"hostlist": "n[0-2]"}
    async with discovered(THREE, statedir=tmp_path, attrs=launched) as instance:
        await until_up(instance, "0-2")
    elsewhere = {rank: Machine(f"m{rank}", 0b1) for rank in range(3)}
    async with discovered({0: elsewhere[0]}, statedir=tmp_path, attrs=launched) as instance:
        await come(instance, 1, elsewhere[1])
        await come(instance, 2, elsewhere[2])
        await until_up(instance, "0-2")
        found = await status(instance)
        assert found["R"]["execution"]["nodelist"] == ["m[0-2]"]
        assert found["drain"] == []


async def test_more_than_there_was_is_a_line_in_the_log_and_taken_by_a_reload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "bourn")
    async with discovered(THREE) as instance:
        await until_up(instance, "0-2")
        await instance.stop(1)
        await come(instance, 1, Machine("n1", 0b1111, 0b1))
        hint = "rank 1 (n1) has more: cores 2-3, gpus 0; `bourn resource reload` takes it"
        await instance.until(lambda: hint in instance.log)
        assert (await instance[0].rpc("resource.info"))["ncores"] == 6
        await instance[0].rpc("resource.reload")
        info = await instance[0].rpc("resource.info")
        assert (info["ncores"], info["ngpus"]) == (8, 1)
        await until_up(instance, "0-2")


async def test_a_rank_that_can_not_look_at_its_machine_is_drained_and_the_others_run() -> None:
    lame = {**THREE, 1: Machine("n1", error="the resource reader 'machine' is disabled there")}
    async with discovered(lame) as instance:
        await until_up(instance, "0,2")
        assert await reasons(instance) == {
            "1": "its machine can't be looked at: the resource reader 'machine' is disabled there"
        }
        await instance.stop(1)
        await come(instance, 1, THREE[1])
        await instance[0].rpc("resource.undrain", {"targets": "1"})
        await until_up(instance, "0-2")
        assert (await instance[0].rpc("resource.info"))["ncores"] == 6


async def test_what_is_configured_is_compared_where_that_is_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "bourn")
    config = [{"hosts": "n[0-2]", "cores": "0-3"}]
    async with discovered(THREE, resource={"config": config}) as instance:
        await until_up(instance, "0-2")
        assert await reasons(instance) == {}
        assert await definitions(instance) == [None]
    machines = {**THREE, 2: Machine("n2.example.org", 0b11111)}
    async with discovered(machines, resource={"config": config, "verify": True}) as instance:
        await until_up(instance, "2")
        assert await reasons(instance) == {"0-1": "missing resources: cores 2-3"}
        assert "rank 2 (n2) has more: cores 4" in instance.log


async def test_nothing_is_compared_where_that_is_not_wanted() -> None:
    async with discovered(THREE, resource={"verify": False}) as instance:
        await until_up(instance, "0-2")
        await instance.stop(1)
        await come(instance, 1, Machine("other", 0b1))
        await until_up(instance, "0-2")
        assert await reasons(instance) == {}


async def test_a_host_may_be_excluded_before_it_has_ever_come() -> None:
    two = {rank: THREE[rank] for rank in range(2)}
    async with discovered(two, resource={"exclude": "n2"}) as instance:
        await come(instance, 2, THREE[2])
        await instance.until(lambda: instance[0].broker.online == 0b111)
        await until_up(instance, "0-1")
        found = await status(instance)
        assert (found["exclude"], found["online"]) == ("2", "0-2")


async def test_a_start_without_the_reader_says_so_in_one_line() -> None:
    async with discovered(THREE) as instance:
        instance[0].broker.plugins.collect = lambda hook: []  # type: ignore[method-assign]
        with pytest.raises(RPCError, match="readers 'machine' and 'R' are disabled"):
            await instance[0].rpc("module.reload", {"name": "resource"})


JOB = {
    "version": 1,
    "resources": [
        {
            "type": "node",
            "count": 1,
            "with": [{"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 2}]}],
        }
    ],
    "tasks": [{"command": ["true"], "slot": "t", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}


@pytest.mark.parametrize("scheduler", ["sched-simple", "sched-graph"])
async def test_jobs_keep_what_they_have_when_hosts_come(scheduler: str) -> None:
    two = {rank: THREE[rank] for rank in range(2)}
    async with discovered(two, scheduler=scheduler) as instance:
        await until_up(instance, "0-1")
        payload = {"jobspecs": [JOB], "jobs": [{"jobspec": 0}] * 3}
        ids = (await instance[0].rpc("job-ingest.submit", payload))["ids"]

        async def allocated() -> str:
            R = (await instance[0].rpc("sched.resource-status"))["allocated"]
            return ResourceSet.from_dict(R).summary() if R else ""

        async def until_allocated(summary: str) -> None:
            for _ in range(1000):
                if await allocated() == summary:
                    return
                await instance[0].turns()
            raise AssertionError(await allocated())

        await until_allocated("rank[0-1]/core[0-1]")
        await come(instance, 2, THREE[2])
        await until_allocated("rank[0-2]/core[0-1]")
        for id in ids:
            found = await instance[0].rpc("job-info.lookup", {"id": id, "keys": ["eventlog", "R"]})
            assert "exception" not in found["eventlog"]
        # And of jobs that end, all is free again.
        for id in ids[:2]:
            await instance[0].rpc(
                "job-manager.raise", {"id": id, "type": "cancel", "severity": 0, "note": ""}
            )
        await until_allocated("rank2/core[0-1]")
        try:
            await instance[0].rpc("job-ingest.submit", payload)
        except BournError as error:
            raise AssertionError(error.message) from None
        await until_allocated("rank[0-2]/core[0-1]")
