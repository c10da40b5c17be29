"""Conformance check for schedulers: nothing is given twice, everything is answered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import LATER, Module, ModuleContext, Request, Role, method
from bourn.hookspecs.modules import ModuleSpec
from bourn.hookspecs.sched import FreeRequest, HelloJob, Scheduler
from bourn.model.idset import IdSet
from bourn.testing.broker import memory_broker
from bourn.testing.ensure import ensure, ensure_name, ensure_reason
from bourn.testing.samples import alloc_request, interned, jobspec, resource_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn.testing.broker import MemoryBroker

__all__ = ["FakeSchedClient", "check_scheduler"]

NODES, CORES = 4, 4


class FakeSchedClient(Module):
    """The job manager as a scheduler sees it; it keeps the answers and refuses a core that is given twice."""

    def __init__(self, ctx: ModuleContext, running: tuple[HelloJob, ...] = ()) -> None:
        super().__init__(ctx)
        self.running = running
        self.ready = False
        self.given: dict[int, set[tuple[int, int]]] = {}
        self.R: dict[int, dict[str, Any]] = {}
        self.denied: dict[int, str] = {}
        self.cancelled: list[int] = []
        self.annotations: dict[int, dict[str, Any]] = {}

    def sched_hello(self, scheduler: Scheduler) -> list[HelloJob]:
        """Tell of the jobs that hold resources."""
        for job in self.running:
            self._take(job.id, job.R)
        return list(self.running)

    def sched_ready(self, scheduler: Scheduler) -> None:
        """Take note."""
        self.ready = True

    def alloc_success(self, jobs: Sequence[tuple[int, dict[str, Any], dict[str, Any] | None]]) -> None:
        """Take what is given."""
        for id, R, notes in jobs:
            ensure(id not in self.answered, f"scheduler: job {id} was answered twice")
            self._take(id, R)
            if notes:
                self.annotations.setdefault(id, {}).update(notes)

    def alloc_deny(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Take a refusal."""
        for id, reason in jobs:
            ensure(id not in self.answered, f"scheduler: job {id} was answered twice")
            ensure_reason(reason, "scheduler: a denial")
            self.denied[id] = reason

    def alloc_cancelled(self, ids: Sequence[int]) -> None:
        """Take a confirmation."""
        for id in ids:
            ensure(id not in self.answered, f"scheduler: job {id} was answered twice")
            self.cancelled.append(id)

    def annotate(self, jobs: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Take annotations."""
        for id, notes in jobs:
            self.annotations.setdefault(id, {}).update(notes)

    @property
    def answered(self) -> set[int]:
        """Ids of the requests that have had their answer and weren't freed since."""
        return {*self.given, *self.denied, *self.cancelled}

    def release(self, scheduler: Scheduler, *ids: int) -> None:
        """Give all resources of jobs back."""
        requests = [FreeRequest(id, self.R.pop(id), True) for id in ids]
        for id in ids:
            del self.given[id]
        scheduler.free(requests)

    def _take(self, id: int, R: dict[str, Any]) -> None:
        cores = {
            (rank, core)
            for entry in R["execution"]["R_lite"]
            for rank in IdSet(entry["rank"])
            for core in IdSet(entry["children"]["core"])
        }
        for other, theirs in self.given.items():
            ensure(
                not cores & theirs,
                f"scheduler: jobs {other} and {id} were both given {sorted(cores & theirs)}",
            )
        self.given[id] = cores
        self.R[id] = R


class _Resources(Module):
    """A resource module with made-up nodes that are all up."""

    @method(allow=Role.OWNER, streaming=True)
    def acquire(self, request: Request) -> object:
        request.respond({"resources": resource_set(NODES, CORES), "up": f"0-{NODES - 1}"})
        return LATER


def check_scheduler(spec: ModuleSpec, *, config: Mapping[str, Any] | None = None) -> None:
    """Put a scheduler module to work on 4 made-up nodes of 4 cores.

    It must say hello and be ready; give what was asked for, and no core to two jobs; answer each request
    once; give freed resources out again, to a higher priority first; deny what can never run, with the
    reason; forget what is cancelled; and know after a restart what is in use.
    """
    what = ensure_name(spec, "scheduler")
    ensure("sched" in spec.provides, f"{what}: must provide sched")
    for running in (
        (),
        (HelloJob(500, resource_set(2, CORES), 16, 1000, 1.0, interned(jobspec(num_nodes=2, num_tasks=2))),),
    ):
        trio.run(_work, spec, what, config, running)


async def _work(
    spec: ModuleSpec, what: str, config: Mapping[str, Any] | None, running: tuple[HelloJob, ...]
) -> None:
    def job_manager(ctx: ModuleContext) -> FakeSchedClient:
        return FakeSchedClient(ctx, running)

    company = (ModuleSpec("resource", _Resources), ModuleSpec("job-manager", job_manager))
    with trio.fail_after(20):
        async with memory_broker(*company, spec, config=config) as broker:
            client: FakeSchedClient = broker.provider("job-manager")
            scheduler = broker.provider("sched")
            ensure(
                isinstance(scheduler, Scheduler), f"{what}: lacks methods of bourn.hookspecs.sched.Scheduler"
            )
            ensure(client.ready, f"{what}: started without sched_ready")
            await _script(broker, scheduler, client, what, free=NODES * CORES - 2 * CORES * len(running))


async def _script(
    broker: MemoryBroker, scheduler: Scheduler, client: FakeSchedClient, what: str, free: int
) -> None:
    held = set(client.given)
    scheduler.alloc([alloc_request(i, t_submit=float(i)) for i in range(1, free + 3)])
    await broker.turns()
    given = set(client.given) - held
    ensure(
        given == set(range(1, free + 1)),
        f"{what}: {free} cores are free; of {free + 2} jobs these got one: {given}",
    )
    scheduler.cancel([free + 1])
    await broker.turns()
    ensure(client.cancelled == [free + 1], f"{what}: cancelled {free + 1}, was told {client.cancelled}")
    scheduler.alloc([alloc_request(free + 3, priority=30, t_submit=99.0)])
    client.release(scheduler, 1)
    await broker.turns()
    ensure(free + 3 in client.given, f"{what}: a freed core must go to the highest priority")
    scheduler.prioritize([(free + 2, 31)])
    client.release(scheduler, 2)
    await broker.turns()
    ensure(free + 2 in client.given, f"{what}: a freed core isn't given to the job that waits")
    impossible = jobspec(num_nodes=NODES + 1, num_tasks=NODES + 1)
    reason = scheduler.feasibility(impossible)
    ensure(reason is not None, f"{what}: finds {NODES + 1} nodes feasible, there are {NODES}")
    ensure_reason(reason, f"{what}: feasibility")
    ensure(scheduler.feasibility(jobspec()) is None, f"{what}: finds one core infeasible")
    scheduler.alloc([alloc_request(900, impossible)])
    await broker.turns()
    ensure(900 in client.denied, f"{what}: doesn't deny a job of {NODES + 1} nodes, there are {NODES}")
    client.release(scheduler, *client.given)
    await broker.turns()
    scheduler.alloc([alloc_request(901, jobspec(num_nodes=NODES, num_tasks=NODES * CORES))])
    await broker.turns()
    cores = client.given.get(901, set())
    ensure(len(cores) == NODES * CORES, f"{what}: everything is free, a job of all cores got {len(cores)}")
    scheduler.cancel([901, 12345])
    await broker.turns()
    ensure(901 in client.given, f"{what}: a request that has been answered can't be cancelled")
