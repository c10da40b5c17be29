"""The nodes of a job start together, or it fails when one isn't ready in time."""

from __future__ import annotations

from contextlib import asynccontextmanager

import trio

from bourn.broker.module import Module
from bourn.hookspecs.exec_method import StartRequest
from bourn.hookspecs.modules import ModuleSpec
from bourn.shell.wire import FromHost
from bourn.testing import FakeExecPort, memory_broker
from bourn.testing.samples import interned, jobspec, resource_set
from bourn_plugins.job_exec.shell_method import ShellMethod


class Hosts(Module):
    """Shell hosts that do nothing by themselves."""

    def __init__(self, ctx):
        super().__init__(ctx)
        self.went, self.handed = [], []

    def attach(self, method, sought):
        pass

    def start(self, rank, userid, jobs):
        self.handed.append(rank)

    def sweep(self, rank, jobs):
        pass

    def go(self, rank, userid, id):
        self.went.append((id, rank))


@asynccontextmanager
async def method(limit):
    config = {"exec": {"barrier-timeout": limit}}
    async with (
        memory_broker(ModuleSpec("shell-manager", Hosts), config=config, size=3) as broker,
        trio.open_nursery() as nursery,
    ):
        broker.ctx.nursery = nursery
        port = FakeExecPort(broker.ctx)
        found = ShellMethod(port)
        R = resource_set(3, 1)
        spec = interned(jobspec(num_nodes=3, num_tasks=3))
        found.start([StartRequest(7, 0, spec, None, R)])
        yield found, port, broker.provider("shell-manager").went
        nursery.cancel_scope.cancel()


async def test_all_start_when_the_last_is_ready():
    async with method("10s") as (shell, port, went):
        shell.host_ready([7], 0)
        await trio.sleep(9)
        shell.host_ready([7], 2)
        assert went == []
        shell.host_ready([7], 1)
        assert sorted(went) == [(7, 0), (7, 1), (7, 2)]
        await trio.sleep(60)
        assert port.failures == {}


async def test_a_node_that_is_not_ready_in_time_fails_the_job():
    async with method("10s") as (shell, port, went):
        await trio.sleep(60)  # what counts is from the first on
        shell.host_ready([7], 1)
        await trio.sleep(9.5)
        assert port.failures == {}
        await trio.sleep(1)
        note = "start barrier timeout: 2 of 3 nodes (rank 0,2) aren't ready 10s after the first"
        assert port.failures == {7: note}
        assert went == []


async def test_without_a_limit_they_wait():
    async with method("inf") as (shell, port, _):
        shell.host_ready([7], 1)
        await trio.sleep(80_000)
        assert port.failures == {}


async def test_what_a_node_said_while_its_broker_was_away_counts():
    async with method("10s") as (shell, port, went):
        shell.host_ready([7], 0)
        shell.host_ready([7], 2)
        shell.host_found(1, 0, FromHost(jobs=[7], waiting=[7]), "")
        assert went == []
        shell.host_found(1, 0, FromHost(jobs=[7], waiting=[7], ready=[7]), "")
        assert sorted(went) == [(7, 0), (7, 1), (7, 2)]
        assert port.failures == {}


async def test_a_node_that_has_not_heard_that_it_may_start_is_told_again():
    async with method("10s") as (shell, _, went):
        for rank in range(3):
            shell.host_ready([7], rank)
        went.clear()
        shell.host_found(1, 0, FromHost(jobs=[7], waiting=[7], ready=[7]), "")
        shell.host_found(2, 0, FromHost(jobs=[7]), "")
        assert went == [(7, 1)]


async def test_a_node_without_the_job_gets_it_again_as_long_as_none_may_start():
    async with method("10s") as (shell, port, went):
        handed = port.ctx.provider("shell-manager").handed
        handed.clear()
        shell.host_ready([7], 0)
        shell.host_ready([7], 1)
        shell.host_found(1, 0, FromHost(jobs=[]), "")
        assert handed == [1]
        shell.host_ready([7], 2)
        assert went == []
        shell.host_ready([7], 1)
        assert sorted(went) == [(7, 0), (7, 1), (7, 2)]
        shell.host_found(2, 0, FromHost(jobs=[]), "its host died")
        assert handed == [1]
        assert port.failures == {7: "the job was lost: its host died"}


async def test_a_lost_job_says_why_though_its_other_nodes_are_heard_of_later():
    async with method("10s") as (shell, port, _):
        for placed in shell._jobs.values():
            placed.started, placed.unknown = True, {0, 1, 2}
        shell.host_found(2, 0, FromHost(jobs=[]), "rank 2: its host is gone")
        shell.host_found(0, 0, FromHost(jobs=[7]), "")
        assert port.failures == {}
        shell.host_found(1, 0, FromHost(jobs=[7]), "")
        assert port.failures == {7: "the job was lost: rank 2: its host is gone"}
