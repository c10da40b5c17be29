"""The simple scheduler: cores and GPUs by node, first come first served, first or best fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bourn.broker.module import Request, Role, method
from bourn.broker.scheduler import SchedulerModule
from bourn.model.counts import jobspec_counts
from bourn.model.idset import IdSet
from bourn.model.overrides import LABELS, apply_overrides
from bourn_plugins.sched_simple.backlog import Backlog, Waiting
from bourn_plugins.sched_simple.compile import ask_of, nodes_of, rset_of, shares_of
from bourn_plugins.sched_simple.config import SimpleTable
from bourn_plugins.sched_simple.pool import Ask, Node, Pool, Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.broker.module import ModuleContext
    from bourn.hookspecs.sched import AllocRequest, FreeRequest, HelloJob
    from bourn.model.counts import Counts
    from bourn.model.interned import InternedJobspec


class SchedSimple(SchedulerModule):
    """Implements `bourn.hookspecs.sched.Scheduler` over a `Pool` and a `Backlog`."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._fit = ctx.config.table("sched-simple", SimpleTable).fit
        self._pool = Pool([])
        self._backlog = Backlog()
        self._asks: WeakKeyDictionary[InternedJobspec, Ask | str] = WeakKeyDictionary()
        self._told: dict[int, str] = {}

    def _acquire(self, first: Mapping[str, Any]) -> None:
        held = self._pool.held()
        self._pool = Pool(nodes_of(self._rset), self._fit)
        self._mark(IdSet(first["up"]), True)
        self._asks.clear()
        for jobid, shares in held.items():
            self._hold(jobid, shares)

    def _mark(self, ranks: IdSet, up: bool) -> None:
        self._pool.set_up(ranks, up)

    def _claim(self, job: HelloJob) -> None:
        self._hold(job.id, shares_of(job.R))

    def _hold(self, jobid: int, shares: Iterable[Share]) -> None:
        try:
            self._pool.claim(jobid, shares)
        except ValueError as error:
            self._end_job(jobid, f"its resources are gone: {error}")

    def alloc(self, jobs: Sequence[AllocRequest]) -> None:
        """Take new requests; those that can never run are denied with the reason."""
        denied = []
        for job in jobs:
            ask = self._ask(job.jobspec, job.overrides)
            if isinstance(ask, str):
                denied.append((job.id, ask))
            else:
                duration = _duration(job.jobspec, job.overrides)
                self._backlog.add(Waiting(job.id, job.priority, job.queue or "", ask, duration))
        if denied:
            self._client.alloc_deny(denied)
        self.ctx.soon(self._pass)

    def free(self, jobs: Sequence[FreeRequest]) -> None:
        """Take resources back."""
        for job in jobs:
            ranks = None if job.final else [share.rank for share in shares_of(job.R)]
            self._pool.free(job.id, ranks)
        self.ctx.soon(self._pass)

    def cancel(self, ids: Sequence[int]) -> None:
        """Forget pending requests."""
        gone = [jobid for jobid in ids if self._backlog.remove(jobid) is not None]
        for jobid in gone:
            self._told.pop(jobid, None)
        if gone:
            self._client.alloc_cancelled(gone)
            self.ctx.soon(self._pass)

    def prioritize(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Take changed priorities of pending requests."""
        for jobid, priority in jobs:
            self._backlog.prioritize(jobid, priority)
        self.ctx.soon(self._pass)

    def expiration(self, id: int, t: float) -> str | None:
        """Agree to any end of a running job that lies within the instance's own time."""
        return self._too_late(t)

    def feasibility(self, jobspec: dict[str, Any]) -> str | None:
        """Say why `jobspec` could never run here, or None."""
        ask = self._checked(jobspec_counts(jobspec), _constraints(jobspec))
        return ask if isinstance(ask, str) else None

    def stats(self) -> dict[str, object]:
        """Return how many jobs wait and how many hold resources."""
        return {"pending": len(self._backlog), "allocated": len(self._pool.held()), "fit": self._fit}

    @method(allow=Role.OWNER | Role.USER, name="resource-status")
    def resource_status(self, request: Request) -> dict[str, Any]:
        """Return R of all, the ranks that are down, and R of what is allocated."""
        cores: dict[int, list[int]] = {}
        for shares in self._pool.held().values():
            for share in shares:
                both = cores.setdefault(share.rank, [0, 0])
                both[0] |= share.cores
                both[1] |= share.gpus
        allocated = [Share(rank, *both) for rank, both in sorted(cores.items())]
        down = [n for n in self._pool.nodes.values() if not n.up]
        return {
            "all": self._rset,
            "allocated": rset_of(allocated, self._pool.nodes, 0.0, 0.0) if allocated else None,
            "down": rset_of([Share(n.rank, n.cores, n.gpus) for n in down], self._pool.nodes, 0.0, 0.0)
            if down
            else None,
        }

    def _pass(self) -> None:
        """Grant what fits, and tell the first job of each queue that doesn't what it waits for."""
        result = self._backlog.schedule(self._pool)
        if result.granted:
            now = self.ctx.now()
            nodes = self._pool.nodes
            granted = []
            for job, shares in result.granted:
                end = min(now + job.duration if job.duration else math.inf, self._end)
                granted.append((job.id, rset_of(shares, nodes, now, 0.0 if end == math.inf else end), None))
                self._told.pop(job.id, None)
            self._client.alloc_success(granted)
        news = []
        for job in result.blocked:
            reason = self._pool.why_not_now(job.ask)
            if self._told.get(job.id) != reason:
                self._told[job.id] = reason
                news.append((job.id, {"sched": {"reason_pending": reason}}))
        if news:
            self._client.annotate(news)

    def _ask(self, jobspec: InternedJobspec, overrides: dict[str, Any] | None) -> Ask | str:
        if overrides and not all(path.startswith(LABELS) for path in overrides):
            obj = apply_overrides(jobspec.obj, overrides)
            return self._checked(jobspec_counts(obj), _constraints(obj))
        ask = self._asks.get(jobspec)
        if ask is None:
            ask = self._asks[jobspec] = self._checked(jobspec.counts, _constraints(jobspec.obj))
        return ask

    def _checked(self, counts: Counts, constraints: dict[str, Any] | None) -> Ask | str:
        """Return an ask that could be met if all were idle, or the reason why none can."""
        ask = ask_of(counts, self._where(constraints) if constraints else None)
        if isinstance(ask, str):
            return ask
        return self._pool.why_never(ask) or ask

    def _where(self, constraints: dict[str, Any]) -> Callable[[Node], bool]:
        from bourn.model.constraint import Constraint

        constraint = Constraint(constraints)
        ranks = {
            node.rank
            for node in self._pool.nodes.values()
            if constraint.match(node.rank, node.host, node.properties)
        }
        return lambda node: node.rank in ranks


def _constraints(jobspec: Mapping[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = ((jobspec["attributes"] or {}).get("system") or {}).get("constraints")
    return found


def _duration(jobspec: InternedJobspec, overrides: Mapping[str, Any] | None) -> float:
    """Return the time limit in seconds, 0 for none."""
    if overrides and "attributes.system.duration" in overrides:
        return float(overrides["attributes.system.duration"])
    return jobspec.counts.duration
