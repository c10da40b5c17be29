"""The broker module `sched-graph`: the graph scheduler of an instance (RFC 27)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import trio

from bourn.broker.module import Request, Role, method
from bourn.broker.scheduler import SchedulerModule
from bourn.config.tables import ResourceTable
from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.overrides import LABELS, apply_overrides
from bourn.model.rset import ResourceSet
from bourn_plugins.sched_graph.engine.allocation import parts_of, rset_of
from bourn_plugins.sched_graph.engine.policy import PolicyFault
from bourn_plugins.sched_graph.engine.reasons import Reasons
from bourn_plugins.sched_graph.estate import Estate, with_ranks
from bourn_plugins.sched_graph.policies import Policies
from bourn_plugins.sched_graph.questions import graph_document, status_of, vertex_facts
from bourn_plugins.sched_graph.queue.book import Book
from bourn_plugins.sched_graph.queue.planner import FOREVER, Planner
from bourn_plugins.sched_graph.request import Request as Wanted
from bourn_plugins.sched_graph.request import compile_request, takes_nodes
from bourn_plugins.sched_graph.resources.described import described_graph
from bourn_plugins.sched_graph.resources.graph import ResourceGraph
from bourn_plugins.sched_graph.resources.nodes import HWLOC_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.broker.module import ModuleContext
    from bourn.hookspecs.sched import AllocRequest, FreeRequest, HelloJob
    from bourn.model.interned import InternedJobspec
    from bourn_plugins.sched_graph.engine.engine import Engine


_PATIENCE = 0.25
"""Seconds that a job waits before it is told why."""


class SchedGraph(SchedulerModule):
    """Implements `bourn.hookspecs.sched.Scheduler` over a `Planner` and a `Book`."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._policies = Policies(ctx)
        self._table = self._policies.table
        self._estate: Estate
        self._held_back: list[Callable[[], None]] = []
        """What came while an update of the resources was under way: it is done after that."""
        self._updating = False
        self._settled = trio.Event()
        self._releases = 0
        self._released = trio.Event()
        self._looking_later = False
        self._requests: dict[str, WeakKeyDictionary[InternedJobspec, Wanted | str]] = {}
        """By match policy: what doesn't fit by one may fit by another."""

    # -- resources --

    def _acquire(self, first: Mapping[str, Any]) -> None:
        """Make the graph and an engine; jobs that an engine before this one has stay where they are."""
        before: Estate | None = getattr(self, "_estate", None)
        self._estate = estate = Estate(
            self._graph(first.get("base", self._rset)),
            self._policies.choosers(),
            IdSet(first["up"]),
            self.ctx.plugins,
            updates=first.get("updates", ()),
            tell=self.ctx.log.error,
            fault=partial(self._policies.failed, "match"),
            strict=self._policies.strict,
        )
        lost = {} if before is None else estate.succeed(before)
        self._plan({})
        if before is None:
            self._book = Book(
                self._planner_of,
                self._policies.queue_policy,
                self._reasons.not_now,
                lambda: self._end,
                patience=_PATIENCE,
                strict=self._policies.strict,
            )
        else:
            self._adopt(lost)

    def _plan(self, ends: Mapping[int, float]) -> None:
        """Make planners of the engines that there are now."""
        self._planners: dict[str, Planner] = {}
        for name, engine in self._estate.engines.items():
            planner = Planner(engine)
            planner.adopt(ends)
            for other in self._planners.values():
                planner.join(other)
                break
            self._planners[name] = planner
        self._planner = self._planner_of("")
        self._reasons = Reasons(self._engine)

    def _planner_of(self, queue: str | None) -> Planner:
        return self._planners[self._policies.spec(queue).name]

    @property
    def _engine(self) -> Engine:
        return self._estate.engine

    def _adopt(self, lost: Mapping[int, Sequence[str]]) -> None:
        """Go on with the estate's new engine; jobs that lost something by it are ended."""
        self._plan(self._planner.ends)
        self._book.move(self._reasons.not_now)
        self._requests.clear()
        for job, paths in lost.items():
            self._end_job(job, f"its resources are gone: {', '.join(paths[:3])}")

    def _graph(self, rset: Mapping[str, Any]) -> ResourceGraph:
        """Return the graph of the configured file, or the one that R implies."""
        from bourn_plugins.graph_readers.rv1 import build_rv1

        if self._table.load_file or self._table.load_format:
            from bourn_plugins.sched_graph.query.session import load_graph

            file, format = self._table.load_file, self._table.load_format
            options = {"allowlist": self._table.load_allowlist or HWLOC_TYPES}
            return with_ranks(load_graph(file, format, options, self.ctx.plugins), rset)
        table = self.ctx.config.table("resource", ResourceTable)
        described = described_graph(table, ResourceSet.from_dict(rset).ranks, self.ctx.plugins)
        if described is not None:
            return described
        graph = ResourceGraph()
        build_rv1(graph, rset)
        return graph

    def _update(self, update: Mapping[str, Any]) -> None:
        """Take news of the resource module."""
        if self._updating and "updated" not in update:
            self._held_back.append(lambda: self._update(update))
            return
        if "updated" in update and self._updating:
            self._updated(update)
        super()._update(update)

    def _mark(self, ranks: IdSet, up: bool) -> None:
        self._estate.mark(ranks, up)

    @method(allow=Role.OWNER)
    async def update(self, request: Request) -> dict[str, Any]:
        """Make changes of the resources, all or none: {changes, force?, limit?}; for the resource module,
        which then says by ``{updated: true | false}`` in its stream whether they stand. Until then nothing is
        allocated or freed.
        """
        while self._updating:
            await self._settled.wait()
        limit = request.get("limit", dict, None)
        answer = self._estate.prepare(
            request.get("changes", list),
            force=request.get("force", bool, False),
            limit=None if limit is None else ResourceSet.from_dict(limit),
        )
        self._updating = True
        self._settled = trio.Event()
        return answer

    @method(allow=Role.OWNER)
    async def released(self, request: Request) -> dict[str, Any]:
        """Return how often resources have been given back, as soon as that is more than `since`: {since?}."""
        while self._releases <= request.get("since", int, -1):
            await self._released.wait()
        return {"count": self._releases}

    def _updated(self, update: Mapping[str, Any]) -> None:
        self._updating = False
        self._settled.set()
        if update["updated"]:
            self._rset = update["R"]
            self._adopt(self._estate.commit())
        else:
            self._estate.rollback()
            self._adopt({})
        held_back, self._held_back = self._held_back, []
        for later in held_back:
            later()

    def _claim(self, job: HelloJob) -> None:
        queue = _queue_of(job.jobspec.obj)
        wanted = self._wanted(job.jobspec, None, queue)
        exclusive = not isinstance(wanted, str) and takes_nodes(wanted.needs)
        expiration = job.R["execution"].get("expiration", 0.0)
        self._install(
            job.id, job.R, exclusive or self._policies.spec(queue).node_exclusive, expiration or FOREVER
        )

    def _install(self, job: int, rset: Mapping[str, Any], exclusive: bool, end: float) -> None:
        try:
            self._planner.start(job, parts_of(self._engine, rset, exclusive), end)
        except KeyError as error:
            (gone,) = error.args
            what = gone if isinstance(gone, str) else f"rank {gone}"
            self._end_job(job, f"its resources are gone: there is no {what}")

    # -- requests --

    def alloc(self, jobs: Sequence[AllocRequest]) -> None:
        """Take new requests; those that can never run are denied with the reason."""
        denied = []
        for job in jobs:
            reason = self._enqueue(job)
            if reason is not None:
                denied.append((job.id, reason))
        if denied:
            self._client.alloc_deny(denied)
        self.ctx.soon(self._pass)

    def _enqueue(self, job: AllocRequest) -> str | None:
        wanted = self._wanted(job.jobspec, job.overrides, job.queue)
        if isinstance(wanted, str):
            return wanted
        try:
            self._book.add(job, wanted)
        except PolicyFault as error:
            return f"its policy failed: {error}"
        return None

    def free(self, jobs: Sequence[FreeRequest]) -> None:
        """Take resources back."""
        if self._updating:
            self._held_back.append(lambda: self.free(jobs))
            return
        for job in jobs:
            ranks = None
            if not job.final:
                ranks = [rank for entry in job.R["execution"]["R_lite"] for rank in IdSet(entry["rank"])]
            self._planner.finish(job.id, ranks)
        self._releases += 1
        if self._released.statistics().tasks_waiting:
            self._released.set()
            self._released = trio.Event()
        self.ctx.soon(self._pass)

    def cancel(self, ids: Sequence[int]) -> None:
        """Forget pending requests."""
        gone = [job for job in ids if self._book.remove(job)]
        if gone:
            self._client.alloc_cancelled(gone)
            self.ctx.soon(self._pass)

    def prioritize(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Take changed priorities of pending requests."""
        for job, priority in jobs:
            self._book.prioritize(job, priority)
        self.ctx.soon(self._pass)

    def expiration(self, id: int, t: float) -> str | None:
        """Agree to any end of a running job that lies within the instance's own time."""
        reason = self._too_late(t)
        if reason is None:
            self._planner.expire(id, t or FOREVER)
        return reason

    def feasibility(self, jobspec: dict[str, Any]) -> str | None:
        """Say why `jobspec` could never run here, or None."""
        wanted = self._compile(jobspec)
        return wanted if isinstance(wanted, str) else None

    def _wanted(
        self, jobspec: InternedJobspec, overrides: Mapping[str, Any] | None, queue: str | None
    ) -> Wanted | str:
        if overrides and not all(path.startswith(LABELS) for path in overrides):
            return self._compile(apply_overrides(jobspec.obj, overrides))
        name = self._policies.spec(queue).name
        requests = self._requests.get(name)
        if requests is None:
            requests = self._requests[name] = WeakKeyDictionary()
        found = requests.get(jobspec)
        if found is None:
            found = requests[jobspec] = self._compile(jobspec.obj)
        return found

    def _compile(self, jobspec: Mapping[str, Any]) -> Wanted | str:
        """Return a request that could be met if all were idle and up, or the reason why none can."""
        try:
            wanted = compile_request(jobspec)
        except BournError as error:
            return error.message
        return self._reasons.never(wanted) or wanted

    # -- passes --

    def _pass(self) -> None:
        """Start what fits, and tell the others what they wait for."""
        if self._updating:
            return
        decisions = self._book.run(self.ctx.now())
        if decisions.started:
            engines = {queue: self._planner_of(queue).engine for queue in self._policies.match}
            own = engines[""]
            self._client.alloc_success(
                [
                    (
                        job.id,
                        rset_of(
                            engines.get(job.queue or "", own),
                            parts,
                            start,
                            0.0 if end == FOREVER else end,
                            unlike=bool(job.jobspec.counts.groups),
                        ),
                        None,
                    )
                    for job, parts, start, end in decisions.started
                ]
            )
        if decisions.denied:
            self._client.alloc_deny(decisions.denied)
        if decisions.waiting:
            self._client.annotate(
                [(job.id, _annotation(reason, estimate)) for job, reason, estimate in decisions.waiting]
            )

        if decisions.later and not self._looking_later:
            self._looking_later = True
            self.ctx.nursery.start_soon(self._look_later)

    async def _look_later(self) -> None:
        """Tell what jobs wait for that still do, even if nothing else happens."""
        await trio.sleep(1.1 * _PATIENCE)
        self._looking_later = False
        self._pass()

    # -- questions --

    def stats(self) -> dict[str, object]:
        """Return how many jobs wait and how many hold resources."""
        return {
            "pending": len(self._book),
            "allocated": len(self._engine.jobs),
            "atoms": len(self._engine.cells),
            "match-policy": self._table.match_policy,
            "queue-policy": self._table.queue_policy,
        }

    @method(allow=Role.OWNER | Role.USER)
    def explain(self, request: Request) -> dict[str, Any]:
        """Say why jobs wait: {ids} -> {jobs: [{id, position, waiting, reason, t_estimate, behind}]},
        without those that don't wait here.
        """
        self._book.be_thorough()
        self._pass()
        jobs = []
        for id in request.get("ids", list):
            found = self._book.explain(id) if isinstance(id, int) else None
            if found is not None:
                jobs.append(
                    {
                        "id": id,
                        "position": found.position,
                        "waiting": found.waiting,
                        "reason": found.reason,
                        "t_estimate": found.start,
                        "behind": found.behind,
                    }
                )
        return {"jobs": jobs}

    @method(allow=Role.OWNER | Role.USER, name="resource-status")
    def resource_status(self, request: Request) -> dict[str, Any]:
        """Return R of all, R of what is down, and R of what is allocated."""
        return status_of(self._engine, self._rset)

    @method(allow=Role.OWNER | Role.USER)
    def vertex(self, request: Request) -> dict[str, Any]:
        """Return what there is to say of a vertex: {path}."""
        return vertex_facts(self._engine, request.get("path", str))

    @method(allow=Role.OWNER | Role.USER)
    def graph(self, request: Request) -> dict[str, str]:
        """Return the graph as a JGF document: {text}."""
        return {"text": graph_document(self._engine.graph)}


def _queue_of(jobspec: Mapping[str, Any]) -> str:
    """Return the queue that a jobspec names, or ""."""
    system = (jobspec.get("attributes") or {}).get("system") or {}
    return str(system.get("queue") or "")


def _annotation(reason: str, estimate: float | None) -> dict[str, Any]:
    sched: dict[str, Any] = {"reason_pending": reason, "t_estimate": estimate}
    return {"sched": sched}
