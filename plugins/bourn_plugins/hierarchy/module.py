"""The module `hierarchy`: raises children over the instance's resources and hands jobs down to them; in a
child, takes jobs from its parent."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import ANYONE, LATER, Module, Request, Role, method
from bourn.config import Config
from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID
from bourn_plugins.hierarchy.jobspec import ATTRIBUTE, MARK
from bourn_plugins.hierarchy.table import HierarchyTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Later
    from bourn_plugins.hierarchy.child import Child
    from bourn_plugins.hierarchy.elastic import Elastic
    from bourn_plugins.hierarchy.lending import Lending
    from bourn_plugins.hierarchy.overseer import Overseer
    from bourn_plugins.hierarchy.uplink import Uplink

STORED = "hierarchy.table"
"""Where the store keeps a table that was given while the instance ran."""
PATIENCE = 1.0
"""Seconds that a job may look for resources here, once all children are gone, before they come back."""
FIRST = {"jobspec": 0, "urgency": 31}
"""A child gets what it needs before jobs that wait for more than there is."""
POLL = 0.02
"""Seconds between looks for the modules that a child needs to be submitted to, at the start."""


class Hierarchy(Module):
    """Service `hierarchy`. Without `[hierarchy] shape` it does nothing until it is asked to."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._overseer: Overseer | None = None
        self._uplink: Uplink | None = None
        self._raw: dict[str, Any] = {}
        self._table = HierarchyTable()
        self._calls: dict[int, Request] = {}
        self._tag = 0
        self._wake = trio.Event()
        self._own_since: float | None = None
        self._closing: list[Request] | None = None
        self._lending: Lending | None = None
        self._elastic: Elastic | None = None
        self._following = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Raise what is configured, and follow the parent if this is a child."""
        raw = self.ctx.config.get("hierarchy") or {}
        stored = self.ctx.provider("store").store.meta(STORED)
        if not raw.get("shape") and stored:
            raw = stored
        if raw.get("shape"):
            await self._begin(raw)
        if self.ctx.statedir is not None and any(
            MARK in job.spec.system for job in self.ctx.provider("job-manager").list_active()
        ):
            self._lender()  # of before a restart: loans whose borrowers are gone end
        if "jobid" in self.ctx.attrs and "parent-uri" in self.ctx.attrs:
            from bourn_plugins.hierarchy.elastic import Elastic

            self._elastic = Elastic(self.ctx, self.ctx.provider("job-manager").engine)
            self.ctx.nursery.start_soon(self._elastic.follow)
        if ATTRIBUTE in self.ctx.attrs:
            from bourn_plugins.hierarchy.uplink import Uplink

            self._uplink = Uplink(self.ctx, self.ctx.provider("job-manager"))
            self.ctx.nursery.start_soon(self._uplink.run)
        task_status.started()
        await trio.sleep_forever()

    def keeps(self) -> str:
        """Say that children would be forgotten."""
        overseer = self._overseer
        if overseer is not None and overseer.places:
            return f"it has {len(overseer.places)} children; `bourn tree --remove` ends them"
        return "it is a child of a hierarchy" if self._uplink is not None else ""

    def stats(self) -> dict[str, object]:
        """Return how many jobs wait and how many children have."""
        found: dict[str, object] = {} if self._uplink is None else self._uplink.stats()
        if self._overseer is not None:
            distributor = self._overseer.distributor
            down = sum(len(child.jobs) for child in distributor.children)
            found.update(waiting=distributor.waiting, **{"handed-down": down, "own": len(self._overseer.own)})
        return found

    # For the command line

    @method(allow=ANYONE)
    def status(self, request: Request) -> dict[str, Any]:
        """-> `{shape, policy, misfits, waiting, own, children: [...]}`; shape is empty without children.

        Each of `children` is {index, state, id, uri, nnodes, ncores, ngpus, pending, running, done, below,
        note}.
        """
        overseer = self._overseer
        if overseer is None:
            return {"shape": "", "children": []}
        return {
            "shape": self._table.shape,
            "policy": self._table.policy,
            "misfits": self._table.misfits,
            "waiting": overseer.distributor.waiting,
            "own": len(overseer.own),
            "children": [_describe(child) for child in overseer.distributor.children],
        }

    @method(allow=Role.OWNER, name="raise")
    async def raise_(self, request: Request) -> None:
        """Raise children: `{hierarchy}`, a table as `[hierarchy]`; EEXIST while there are others."""
        if self._overseer is not None:
            raise BournError(
                f"there are children already, of shape {self._table.shape}; `bourn tree --remove` ends them",
                errno.EEXIST,
            )
        raw = request.get("hierarchy", dict)
        await self._begin(raw)
        self.ctx.provider("job-manager").engine.write_meta(STORED, raw)

    @method(allow=Role.OWNER)
    def remove(self, request: Request) -> Later:
        """End the children when they have done what they were given; answered when none is left. Jobs that
        wait for one run here."""
        overseer = self._overseer
        if overseer is None:
            raise BournError("this instance has no children", errno.ENOENT)
        overseer.withdraw()
        self._closing = [*(self._closing or ()), request]
        overseer.engine.write_meta(STORED, None)
        self._changed()
        return LATER

    # For children

    @method(allow=Role.OWNER, streaming=True)
    def join(self, request: Request) -> Later:
        """A child comes: `{child, R, uri, have}` -> `{seen}`, then messages (`link`)."""
        from bourn_plugins.hierarchy.link import Link

        overseer, child = self._child(request)
        R, have = request.get("R", dict), request.get("have", list)
        link = Link(request)
        request.on_cancel = lambda: overseer.left(child, link)
        child.uri = request.get("uri", str, "")
        request.respond({"seen": overseer.joined(child, link, R, have)})
        link.flush()
        return LATER

    @method(allow=Role.OWNER)
    def report(self, request: Request) -> None:
        """A child reports (`mirror.Report`); acknowledged by a message when it is durable."""
        overseer, child = self._child(request)
        overseer.report(child, request.payload)

    @method(allow=Role.OWNER)
    def answer(self, request: Request) -> None:
        """A child answers a call: `{tag, payload}` or `{tag, errnum, text}`."""
        asked = self._calls.pop(request.get("tag", int), None)
        if asked is None:
            return
        if request.payload.get("errnum"):
            asked.error(request.payload["errnum"], request.payload.get("text", ""))
        else:
            asked.respond(request.payload.get("payload"))

    # Growing and shrinking

    @method(allow=Role.OWNER)
    async def grow(self, request: Request) -> dict[str, Any]:
        """Borrow from the parent: `{cores, gpus?}` or `{nodes}` -> `{id, ncores, ngpus, ranks}`; waits until
        it can be had."""
        nodes = request.get("nodes", int, 0)
        if nodes:
            return await self._nested().grow_nodes(nodes)
        return await self._nested().grow(request.get("cores", int), request.get("gpus", int, 0))

    @method(allow=Role.OWNER)
    async def shrink(self, request: Request) -> dict[str, Any]:
        """Give back: `{cores?, ids?, wait?, force?}` -> `{ids, ncores}`; EBUSY while jobs have some of it,
        unless they are waited for, or ended.
        """
        wait, force = request.get("wait", bool, False), request.get("force", bool, False)
        cores, ids = request.get("cores", int, None), request.get("ids", list, [])
        return await self._nested().shrink(cores, ids, wait=wait, force=force)

    @method(allow=Role.OWNER)
    async def lend(self, request: Request) -> dict[str, Any]:
        """A job that is an instance borrows: `{job, cores, gpus?, ranks}` -> `{id, R}`, once it's there; or
        `{job, nodes, invitation}` -> `{id, R, cards}`, once there are brokers on them.
        """
        return await self._lender().lend(request)

    @method(allow=Role.OWNER)
    def meet(self, request: Request) -> Later:
        """A broker on nodes that were lent: `{id, rank, card}`; answered when the borrower knows it."""
        self._lender().meet(request)
        return LATER

    @method(allow=Role.OWNER)
    def taken(self, request: Request) -> None:
        """A borrower knows the brokers of a loan: `{id}`."""
        self._lender().taken(request.get("id", int))

    @method(allow=Role.OWNER)
    def give_back(self, request: Request) -> None:
        """A borrower gives a loan back: `{id}`."""
        id = request.get("id", int)
        if self._lender().of(id) is None:
            raise BournError(f"job {JobID(id)} is no loan", errno.ENOENT)
        self._lender().end(id, "given back")

    def _nested(self) -> Elastic:
        if self._elastic is None:
            raise BournError(
                "this instance is no job of another one that it could borrow from; "
                "`bourn resource attach` gives it more of its own",
                errno.ENOENT,
            )
        return self._elastic

    def _lender(self) -> Lending:
        if self._lending is None:
            from bourn_plugins.hierarchy.lending import Lending

            self._lending = Lending(self.ctx, self.ctx.provider("job-manager").engine)
        return self._lending

    # Jobs that are with children

    def has(self, id: int) -> bool:
        """Say whether a job is with a child."""
        return self._overseer is not None and self._overseer.has(id)

    def pass_on(self, request: Request) -> Later:
        """Have a request about a job (`{id}`) answered by the child that has it."""
        assert self._overseer is not None
        id = request.get("id", int)
        job = self._overseer.engine.find(id)
        if not request.is_owner and job.userid != request.userid:
            raise BournError(f"{request.topic}: job {JobID(id)} is another user's", errno.EPERM)
        child = self._overseer.distributor.entries[id].child
        link = None if child is None else self._overseer.links.get(child)
        if link is None or not job.t_run:
            raise BournError(f"{request.topic}: job {JobID(id)} isn't running", errno.ENOENT)
        self._tag = tag = self._tag + 1
        self._calls[tag] = request
        request.on_cancel = lambda: self._forget_call(tag)
        link.tell("call", [tag, request.topic, request.payload])
        self._changed()
        return LATER

    # Inside

    def _forget_call(self, tag: int) -> None:
        self._calls.pop(tag, None)

    async def _begin(self, raw: Mapping[str, Any]) -> None:
        """Plan the level, stand before scheduler and executor, and begin to tend the children."""
        from bourn.model.rset import ResourceSet
        from bourn_plugins.hierarchy import settings
        from bourn_plugins.hierarchy.child import Child
        from bourn_plugins.hierarchy.distributor import Distributor
        from bourn_plugins.hierarchy.fit import Capacity
        from bourn_plugins.hierarchy.front import ExecFront, SchedFront
        from bourn_plugins.hierarchy.overseer import Overseer

        config = self.ctx.config
        if raw is not config.get("hierarchy"):
            config = Config({"hierarchy": dict(raw)})
        table = settings.read_table(config)
        policy, owner = settings.read_policy(config, self.ctx.plugins)
        if self.ctx.provider("resource") is None:
            raise BournError("[hierarchy] needs the module resource")
        rset = ResourceSet.from_dict((await self.ctx.rpc("resource.status"))["R"])
        nodes = [(len(rset.cores(rank)), len(rset.gpus(rank))) for rank in rset.ranks]
        children = [
            Child(index, part, Capacity(((part.cores, part.gpus),) * part.nnodes, part.whole))
            for index, part in enumerate(settings.read_parts(config, nodes))
        ]
        tables = {
            spec.config_table: spec.config
            for _, spec in self.ctx.plugins.collect("bourn_modules")
            if spec.config_table and spec.config
        }
        settings.check_child(config, tables)

        def complain(text: str) -> None:
            self.ctx.log.error("distribution policy '%s' (%s): %s", table.policy, owner, text)

        manager = self.ctx.provider("job-manager")
        engine = manager.engine
        distributor = Distributor(children, policy, table.backlog, complain)
        durable = self.ctx.statedir is not None
        overseer = Overseer(
            engine,
            distributor,
            table,
            self.ctx.owner,
            self._changed,
            lambda: float(self.ctx.provider("resource").expiration),
            durable=durable,
        )
        overseer.resume(manager.list_active())
        engine.on_gone.append(overseer.gone)
        engine.sched.front = SchedFront(engine.sched, overseer)
        engine.exec.front = ExecFront(engine.exec, overseer)
        self._overseer, self._table, self._raw = overseer, table, dict(raw)
        self._following = trio.CancelScope()
        self.ctx.nursery.start_soon(self._tend)
        self.ctx.nursery.start_soon(self._follow_resources, overseer, self._following)

    def _end(self) -> None:
        overseer, self._overseer = self._overseer, None
        assert overseer is not None
        self._following.cancel()
        overseer.engine.on_gone.remove(overseer.gone)
        overseer.engine.sched.front = overseer.engine.exec.front = None
        waiting, self._closing = self._closing or [], None
        for request in waiting:
            request.respond()

    def _child(self, request: Request) -> tuple[Overseer, Child]:
        jobid = request.get("child", int)
        overseer = self._overseer
        child = None if overseer is None else overseer.places.get(jobid)
        if overseer is None or child is None:
            raise BournError(f"job {JobID(jobid)} is no child of this instance", errno.ENOENT)
        return overseer, child

    def _changed(self) -> None:
        self.ctx.soon(self._turn)

    def _turn(self) -> None:
        from bourn_plugins.hierarchy.roster import settled

        overseer = self._overseer
        if overseer is not None:
            overseer.turn()
            if overseer.own or self._own_since is not None or not settled(overseer.distributor):
                self._wake.set()

    async def _follow_resources(self, overseer: Overseer, scope: trio.CancelScope) -> None:
        """Tell children which of their ranks are taken out of service here."""
        with scope:
            async with self.ctx.stream("resource.acquire") as updates:
                async for _ in updates:
                    status = await self.ctx.rpc("resource.status")
                    closed = dict.fromkeys(IdSet(status["down"]), "set down")
                    for entry in status["drain"]:
                        closed.update(dict.fromkeys(IdSet(entry["ranks"]), entry["reason"]))
                    overseer.close(closed)

    async def _tend(self) -> None:
        """Raise and end children."""
        from bourn_plugins.hierarchy.child import ChildState
        from bourn_plugins.hierarchy.roster import GRACE, decide

        # Both start after this module, which stands before what they serve.
        while self.ctx.provider("job-ingest") is None or self.ctx.provider("sched") is None:  # noqa: ASYNC110
            await trio.sleep(POLL)
        while (overseer := self._overseer) is not None:
            self._wake = trio.Event()
            now = overseer.engine.now()
            overseer.forget_own()
            if not overseer.own:
                if overseer.distributor.blocked:
                    self._changed()
                self._own_since = None
            elif self._own_since is None:
                self._own_since = now
            elif any(child.state is not ChildState.ABSENT for child in overseer.distributor.children):
                self._own_since = max(self._own_since, now - GRACE)
            elif self._own_since + PATIENCE <= now:
                overseer.let_wait()
                continue
            closing = self._closing is not None
            found = decide(overseer.distributor, self._table, self._own_since, now, closing=closing)
            for child in found.to_raise:
                await self._raise(overseer, child)
            for child in found.stop:
                overseer.stop(child)
            for child in found.kill:
                await self._kill(overseer, child)
            if closing and not overseer.places and not overseer.distributor.entries:
                self._end()
                return
            with trio.move_on_after(max(0.0, min(found.wake - now, 1.0 if overseer.own else float("inf")))):
                await self._wake.wait()

    async def _raise(self, overseer: Overseer, child: Child) -> None:
        from bourn.broker.initial import findable
        from bourn_plugins.hierarchy.jobspec import child_jobspec

        if (await self.ctx.rpc("broker.state"))["state"] not in ("init", "quorum", "run"):
            child.not_before = float("inf")  # the instance ends
            return
        environ = findable(os.environ)
        spec = child_jobspec(child.index, child.part, self._raw, environ, self.ctx.statedir)
        try:
            reply = await self.ctx.rpc("job-ingest.submit", {"jobspecs": [spec], "jobs": [FIRST]})
        except BournError as error:
            self.ctx.log.error("child %d can't be raised: %s", child.index, error.message)
            child.failed(overseer.engine.now())
            return
        overseer.raised(child, reply["ids"][0])

    async def _kill(self, overseer: Overseer, child: Child) -> None:
        jobid = child.jobid
        self.ctx.log.error("child %d (job %s) is ended by force", child.index, JobID(jobid))
        child.since = overseer.engine.now()
        note = "the child instance doesn't answer"
        cancel = {"id": jobid, "type": "cancel", "severity": 0, "note": note}
        try:
            await self.ctx.rpc("job-manager.raise", cancel)
        except BournError as error:
            self.ctx.log.info("child %d: %s", child.index, error.message)


def _describe(child: Child) -> dict[str, Any]:
    return {
        "index": child.index,
        "state": child.state.value,
        "id": child.jobid,
        "uri": child.uri if child.jobid else "",
        "nnodes": child.nnodes,
        "ncores": child.ncores,
        "ngpus": child.ngpus,
        "pending": child.pending,
        "running": child.running,
        "done": child.done,
        "below": child.part.below,
        "note": child.note,
    }
