"""Policies at work: a workload under the installed scheduler, in virtual time, answers checked."""

from __future__ import annotations

import random
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import trio
from attrs import Factory, define, evolve

from bourn.broker.module import LATER, Module, Request, Role, method
from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec, bourn_modules
from bourn.hookspecs.sched import AllocRequest, Scheduler
from bourn.model.idset import IdSet
from bourn.plugins import PluginManager
from bourn.testing.broker import memory_broker
from bourn.testing.ensure import ensure
from bourn.testing.samples import interned, jobspec, resource_set
from bourn.testing.sched import FakeSchedClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.match_policy import MatchPolicySpec
    from bourn.hookspecs.queue_policy import QueuePolicySpec
    from bourn.testing.broker import MemoryBroker

__all__ = ["check_policies_at_work"]

NODES, CORES = 6, 4
MARKED = "0-2"
"""The ranks that have the property ``marked``."""


@define
class _Clock:
    now: float = 1e9

    def __call__(self) -> float:
        return self.now


class _Resources(Module):
    """Made-up nodes, half of them marked, that are all up."""

    @method(allow=Role.OWNER, streaming=True)
    def acquire(self, request: Request) -> object:
        rset = resource_set(NODES, CORES)
        rset["execution"]["properties"] = {"marked": MARKED}
        request.respond({"resources": rset, "up": f"0-{NODES - 1}"})
        return LATER


@define(eq=False)
class _Wanted:
    """One job of the workload."""

    request: AllocRequest
    nodes: int
    cores: int
    marked: bool
    duration: float
    runtime: float
    promised: float | None = None
    """When it is to start at the latest, as it was told while it was the first of all that waited."""


@define(eq=False)
class _Plugin:
    match: MatchPolicySpec | None = None
    queue: QueuePolicySpec | None = None

    @hookimpl
    def bourn_match_policies(self) -> list[MatchPolicySpec]:
        return [self.match] if self.match is not None else []

    @hookimpl
    def bourn_queue_policies(self) -> list[QueuePolicySpec]:
        return [self.queue] if self.queue is not None else []


def check_policies_at_work(
    *,
    match: MatchPolicySpec | None = None,
    queue: QueuePolicySpec | None = None,
    options: Mapping[str, Any] | None = None,
    seeds: int = 3,
) -> None:
    """Run workloads of 40 jobs on 6 made-up nodes under the installed scheduler with these policies.

    No core may be given twice; each job must get as many nodes and cores as it asked for, and only such as
    meet its constraint; all must run in the end; and a job that was told when it starts while it was the
    first in the queue must start by then. Without an installed scheduler that knows policies nothing is
    checked.
    """
    keys: dict[str, Any] = {}
    plugin = _Plugin()
    if match is not None:
        plugin.match = evolve(match, name="checked")
        keys = {"match-policy": "checked", "match-options": dict(options or {})}
    if queue is not None:
        plugin.queue = evolve(queue, name="checked")
        keys = {"queue-policy": "checked", "queue-options": dict(options or {})}
    plugins = PluginManager()
    plugins.load()
    plugins.register(plugin)
    specs = [spec for _, spec in plugins.collect(bourn_modules) if "sched" in spec.provides]
    if not specs:
        return
    what = " and ".join(spec.name for spec in (match, queue) if spec is not None)
    for seed in range(seeds):
        trio.run(_run, max(specs, key=lambda spec: spec.priority), plugins, {"scheduler": keys}, what, seed)


async def _run(
    spec: ModuleSpec, plugins: PluginManager, config: Mapping[str, Any], what: str, seed: int
) -> None:
    clock = _Clock()
    company = (ModuleSpec("resource", _Resources), ModuleSpec("job-manager", FakeSchedClient))
    with trio.fail_after(60):
        async with memory_broker(*company, spec, config=config, plugins=plugins, clock=clock) as broker:
            client: FakeSchedClient = broker.provider("job-manager")
            run = _Run(broker, client, broker.provider("sched"), clock, f"policy {what}")
            await run.all(_jobs(random.Random(seed), clock.now))
            faults = [line for line in broker.log if " failed; " in line]
            ensure(not faults, f"policy {what}: {faults[0] if faults else ''}")


def _jobs(chance: random.Random, begin: float) -> list[_Wanted]:
    """Return jobs of many sizes in the order in which they come."""
    found, when = [], begin
    for id in range(1, 41):
        when += chance.choice((0.0, 0.0, 1.0, 5.0))
        marked = chance.random() < 0.2
        nodes = chance.choice((0, 0, 1, 2, 3, 3 if marked else NODES))
        each = chance.randint(1, CORES)
        duration = float(chance.randint(1, 30))
        system: dict[str, Any] = {"duration": duration}
        if marked:
            system["constraints"] = {"properties": ["marked"]}
        size = {"num_nodes": nodes, "num_tasks": nodes} if nodes else {"num_tasks": 1}
        spec = interned(jobspec(cores_per_task=each, system=system, **size))
        runtime = duration * chance.choice((0.2, 0.7, 1.0))
        request = AllocRequest(id, 16, 1000, when, spec)
        found.append(_Wanted(request, nodes, each * max(1, nodes), marked, duration, runtime))
    return found


@define(eq=False)
class _Run:
    broker: MemoryBroker
    client: FakeSchedClient
    scheduler: Scheduler
    clock: _Clock
    what: str
    waiting: dict[int, _Wanted] = Factory(dict)
    ends: list[tuple[float, int]] = Factory(list)
    done: set[int] = Factory(set)

    async def all(self, jobs: list[_Wanted]) -> None:
        """Let all jobs come, run and end."""
        todo = list(reversed(jobs))
        while todo or self.ends or self.waiting:
            times = [self.ends[0][0]] if self.ends else []
            times += [todo[-1].request.t_submit] if todo else []
            ensure(
                bool(times),
                f"{self.what}: jobs {sorted(self.waiting)} wait while nothing runs and none comes",
            )
            self.clock.now = max(self.clock.now, min(times))
            while self.ends and self.ends[0][0] <= self.clock.now:
                self.client.release(self.scheduler, heappop(self.ends)[1])
            new = []
            while todo and todo[-1].request.t_submit <= self.clock.now:
                wanted = todo.pop()
                self.waiting[wanted.request.id] = wanted
                new.append(wanted.request)
            if new:
                self.scheduler.alloc(new)
            await self.broker.turns()
            self._look()

    def _look(self) -> None:
        """Check what was given since the last look, and note what was promised."""
        for id in [id for id in self.waiting if id in self.client.given or id in self.client.denied]:
            wanted = self.waiting.pop(id)
            ensure(
                id in self.client.given,
                f"{self.what}: job {id} was refused, though it fits: {self.client.denied.get(id)}",
            )
            self._check(wanted, self.client.R[id])
            heappush(self.ends, (self.clock.now + wanted.runtime, id))
        if self.waiting:
            first = min(self.waiting)
            sched = self.client.annotations.get(first, {}).get("sched", {})
            if self.waiting[first].promised is None:
                self.waiting[first].promised = sched.get("t_estimate")

    def _check(self, wanted: _Wanted, R: dict[str, Any]) -> None:
        id = wanted.request.id
        ranks = IdSet(rank for entry in R["execution"]["R_lite"] for rank in IdSet(entry["rank"]))
        cores = len(self.client.given[id])
        whole = (
            f"{self.what}: job {id} asked for {wanted.cores} cores on {wanted.nodes or 'any'} nodes and got"
        )
        ensure(cores == wanted.cores or cores == CORES * len(ranks), f"{whole} {cores} cores")
        ensure(len(ranks) == (wanted.nodes or 1), f"{whole} {len(ranks)} nodes")
        ensure(
            not wanted.marked or not ranks - IdSet(MARKED),
            f"{self.what}: job {id} may run on ranks {MARKED} only and got {ranks}",
        )
        ensure(
            wanted.promised is None or self.clock.now <= wanted.promised + 1.0,
            f"{self.what}: job {id}, the first in the queue, was to start {wanted.promised} at the latest, "
            f"and started {self.clock.now}",
        )
