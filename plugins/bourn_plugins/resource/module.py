"""The resource module: what the instance has, what of it may be used, news to schedulers (RFC 28, RFC 44)."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import LATER, Module, Request, Role, method
from bourn.config.tables import ResourceTable
from bourn.errors import BournError, RPCError
from bourn.hookspecs.store import Batch
from bourn.model.event import Event, parse_eventlog
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet
from bourn_plugins.resource.allotment import read_allotment, write_allotment
from bourn_plugins.resource.foreign import ForeignEnd
from bourn_plugins.resource.inventory import Inventory
from bourn_plugins.resource.source import Described, Source, replaying

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from bourn.broker.module import ModuleContext
    from bourn.broker.overlay.machines import Machine
    from bourn.broker.request import Later
    from bourn.config import Config


HOSTS_STAY = "boot.hosts-stay"
"""Attribute of an instance whose ranks are the same hosts whenever it is started (`bourn.broker.boot`)."""


class Resource(Module):
    """Service `resource`; on ranks other than 0 there is nothing to keep yet."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._acquirers: list[Request] = []
        self._log: list[str] = []
        self._members = IdSet()
        """The ranks whose brokers are online, as far as is known."""
        self._machines: dict[int, Machine] = {}
        """What brokers have found, as far as is known; empty in an instance of one."""
        self._table = ctx.config.table("resource", ResourceTable)
        self.foreign = ForeignEnd(os.environ)
        self._source = Source(ctx, self._table, self.foreign)
        self._discovers = False
        """Whether R is what brokers find."""
        self._stays = HOSTS_STAY in ctx.attrs
        self._to_exclude = IdSet()
        self._started = trio.Event()
        self._describing, self._setting_online = trio.Lock(), trio.Lock()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Replay the resource eventlog, note this start in it, and serve."""
        await self.ctx.nursery.start(self._follow_machines)
        self._log = [*self.ctx.provider("store").store.resource_events()]
        self._discovers = self._source.discovers
        found = self._source.describe(self._events(), self._machines, anew=not self._stays)
        self._inventory = Inventory(found.rset, self._excluded(found.rset))
        with replaying():
            for event in self._events():
                self._inventory.apply(event)
        self._members = IdSet(self.ctx.members.ranks if self.ctx.alone else (self.ctx.rank,))
        ranks = self._inventory.rset.ranks
        context = {
            "ranks": str(ranks),
            "online": str(self._present()),
            "nodelist": str(self._inventory.rset.nodelist),
        }
        define = ("resource-define", self._definition(found.new))
        await self._record(("restart", context), define, *self._drains(self._machines))
        self._started.set()
        if not self._table.assume_up:  # brokers may yet come to an instance of one
            self.ctx.nursery.start_soon(self._follow_brokers)
        task_status.started()
        await trio.sleep_forever()

    @property
    def expiration(self) -> float:
        """When the resources end (epoch seconds), 0 for never."""
        return self._inventory.rset.expiration

    @method(allow=Role.OWNER, streaming=True)
    def acquire(self, request: Request) -> Later:
        """Give a scheduler the resources and the ranks that are up, then every change (RFC 28)."""
        request.on_cancel = lambda: self._acquirers.remove(request)
        self._acquirers.append(request)
        request.respond(self._everything())
        return LATER

    @method(allow=Role.OWNER | Role.USER)
    def status(self, request: Request) -> dict[str, Any]:
        """Return R, and which ranks are online, excluded and drained."""
        inventory = self._inventory
        drain: dict[tuple[float, str], set[int]] = {}
        for rank, drained in inventory.drained.items():
            drain.setdefault((drained.since, drained.reason), set()).add(rank)
        return {
            "R": inventory.rset.to_dict(),
            "online": str(inventory.online),
            "offline": str(inventory.rset.ranks - inventory.online),
            "exclude": str(inventory.exclude),
            "down": str(inventory.closed),
            "up": str(inventory.up),
            "drain": [
                {"ranks": str(IdSet(ranks)), "timestamp": since, "reason": reason}
                for (since, reason), ranks in sorted(drain.items())
            ],
        }

    @method(allow=Role.OWNER | Role.USER)
    def info(self, request: Request) -> dict[str, Any]:
        """Return how many nodes, cores and GPUs there are."""
        rset = self._inventory.rset
        return {
            "nnodes": len(rset.nodelist),
            "ncores": rset.ncores,
            "ngpus": rset.ngpus,
            "ranks": str(rset.ranks),
            "nodelist": str(rset.nodelist),
        }

    @method(allow=Role.OWNER | Role.USER)
    def eventlog(self, request: Request) -> dict[str, str]:
        """Return the resource eventlog as text."""
        return {"eventlog": "".join(self._log)}

    @method(allow=Role.OWNER)
    async def drain(self, request: Request) -> None:
        """Take ranks or hosts out of service for new jobs: {targets, reason?, mode?}."""
        ranks = self._inventory.targets(request.get("targets", str))
        reason = request.get("reason", str, "")
        await self._change(
            "drain", self._inventory.drain_context(ranks, reason, request.get("mode", str, ""))
        )

    @method(allow=Role.OWNER)
    async def undrain(self, request: Request) -> None:
        """Put ranks or hosts back into service: {targets}."""
        ranks = self._inventory.targets(request.get("targets", str))
        await self._change("undrain", self._inventory.undrain_context(ranks))

    @method(allow=Role.OWNER)
    async def reload(self, request: Request) -> None:
        """Read the description of the resources again, or another one: {path?}. What is found out and not
        described becomes what brokers have found when they were started last.
        """
        path = request.get("path", str, "")
        async with self._describing:
            if path:
                found = Described(self._source.read(Path(path)))
            else:
                found = self._source.describe(self._events(), self._machines, anew=True)
            self._discovers = not path and self._source.discovers
            self._inventory.describe(found.rset, self._events())
            rset = self._inventory.rset
            update = {"ranks": str(rset.ranks), "nodelist": str(rset.nodelist)}
            news = [("resource-define", self._definition(found.new))] if found.new else []
            await self._record(*news, ("resource-update", update), *self._drains(self._machines))
            self._tell(self._everything())
        await self._set_online()

    @method(allow=Role.OWNER)
    async def update(self, request: Request) -> dict[str, Any]:
        """Change the graph of resources while jobs run, all of it or nothing: {changes, force?, wait?}.

        What a change is says `bourn_plugins.sched_graph.resources.edit`. What jobs hold can't be removed:
        EBUSY, unless `force` ends them, or `wait` waits for them. Returns {ranks, jobs}: the ranks that it
        touched, and the jobs that lost something by it.
        """
        changes, wait = request.get("changes", list), request.get("wait", bool, False)
        force = request.get("force", bool, False)
        while True:
            count = (await self._ask_scheduler("sched.released"))["count"]
            try:
                with trio.CancelScope(shield=True):  # the scheduler stands still until it knows the end
                    async with self._describing:
                        return await self._graph_update(changes, force)
            except RPCError as error:
                if error.errnum != errno.EBUSY or not wait:
                    raise
            await self._ask_scheduler("sched.released", {"since": count})

    async def _graph_update(self, changes: list[Any], force: bool) -> dict[str, Any]:
        wanted: dict[str, Any] = {"changes": changes, "force": force}
        given = read_allotment(self.ctx.rundir)
        if given is not None:
            wanted["limit"] = given.to_dict()
        made = await self._ask_scheduler("sched.update", wanted)
        before, stands = self._inventory.up, False
        try:
            update = {key: made[key] for key in ("changes", "ranks", "R", "down")}
            await self._record(("graph-update", update))
            stands = True
        finally:
            self._tell({"updated": stands, "R": self._everything()["resources"]})
        self._tell_changes(before)
        await self._set_online()
        return {"ranks": made["ranks"], "jobs": made["jobs"]}

    async def _ask_scheduler(self, topic: str, payload: object = None) -> Any:
        try:
            return await self.ctx.rpc(topic, payload)
        except RPCError as error:
            if error.errnum != errno.ENOSYS:
                raise
            raise BournError(
                "the scheduler of this instance keeps no graph that could change; sched-graph does, or else "
                "change the description and use `bourn resource reload`",
                errno.ENOSYS,
            ) from None

    @method(allow=Role.OWNER)
    def allotment(self, request: Request) -> dict[str, Any]:
        """Return what the parent instance has given, ranks from 0: {R}; ENOENT without a parent."""
        given = read_allotment(self.ctx.rundir)
        if given is None:
            raise BournError("this instance is no job of another one", errno.ENOENT)
        return {"R": given.to_dict()}

    @method(allow=Role.OWNER)
    def allot(self, request: Request) -> None:
        """Take note that the parent gives more or less, or until another time: {R}. What the instance uses of
        it changes by `update`, its end at once.
        """
        given = ResourceSet.from_dict(request.get("R", dict))
        write_allotment(self.ctx.rundir, given)
        self.end_at(given.expiration)

    def end_at(self, expiration: float) -> None:
        """Take note that the resources end at another time (epoch seconds, 0 for never)."""
        inventory = self._inventory
        if expiration != inventory.rset.expiration:
            inventory.rset.expiration = inventory.base.expiration = expiration
            self._tell({"expiration": expiration})

    def reconfigure(self, config: Config) -> None:
        """Take another set of excluded ranks; a new R wants `resource.reload`."""
        self._table = config.table("resource", ResourceTable)
        self._source = Source(self.ctx, self._table, self.foreign)
        self._to_exclude = self._excluded(self._inventory.rset)
        self.ctx.nursery.start_soon(self._exclude)

    async def _exclude(self) -> None:
        """Have the ranks excluded that the configuration of now says, when no description is under way."""
        async with self._describing:
            self._inventory.exclude = self._to_exclude
            self._tell(self._everything())

    def stats(self) -> dict[str, object]:
        """Return the number of ranks by state."""
        inventory = self._inventory
        return {
            "ranks": len(inventory.rset.ranks),
            "up": len(inventory.up),
            "drained": len(inventory.drained),
        }

    def _definition(self, new: ResourceSet | None) -> dict[str, Any]:
        """Return the context of `resource-define`: how R is known, and what was found out now (RFC 44)."""
        context: dict[str, Any] = {"method": self._source.method}
        return {**context, "R": new.to_dict()} if new else context

    async def _follow_machines(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with self.ctx.stream("overlay.machines") as stream:
            self._machines = _machines(await anext(stream))
            task_status.started()
            await self._started.wait()
            while True:
                machines = _machines(await stream.latest())
                before, self._machines = self._machines, machines
                changed = {rank: new for rank, new in machines.items() if before.get(rank) != new}
                await self._take(changed, () if self._stays else changed.keys() - before.keys())

    async def _take(self, machines: Mapping[int, Machine], anew: Container[int]) -> None:
        """Take note of machines: those of new ranks are resources from now on, and those known `anew`."""
        from bourn_plugins.resource.discovery import to_define

        async with self._describing:
            inventory = self._inventory
            before = inventory.up
            new = to_define(inventory.base, machines, anew) if self._discovers else None
            if new:
                inventory.define(new, self._events())
                inventory.exclude = self._excluded(inventory.rset)
            define = [("resource-define", self._definition(new))] if new else []
            events = define + self._drains(machines)
            if events:
                await self._record(*events)
            if new:
                self._tell(self._everything())
            else:
                self._tell_changes(before)
        if new:
            await self._set_online()

    def _drains(self, machines: Mapping[int, Machine]) -> list[tuple[str, dict[str, Any]]]:
        """Return the drain events that machines are a reason for, and say so (`[resource] verify`)."""
        verify, inventory = self._table.verify, self._inventory
        if self.ctx.alone and verify:
            machines = {self.ctx.rank: self._own_machine()}
        if verify is False or not (verify or self._discovers) or not machines:
            return []
        from bourn_plugins.resource.discovery import faults, surplus

        # What was attached since needn't be anywhere.
        rset = inventory.rset.intersect(inventory.base) if inventory.updates else inventory.rset
        for rank, text in surplus(rset, machines).items():
            hint = "; `bourn resource reload` takes it" if self._discovers else ""
            self.ctx.log.info("rank %d (%s) has more: %s%s", rank, rset.hostname(rank), text, hint)
        events = []
        for reason, ranks in faults(rset, machines).items():
            ranks -= IdSet(inventory.drained)
            if ranks:
                self.ctx.log.error("rank %s is drained: %s", ranks, reason)
                events.append(("drain", inventory.drain_context(ranks, reason, "")))
        return events

    async def _follow_brokers(self) -> None:
        async with self.ctx.stream("groups.watch", {"name": "broker.online"}) as stream:
            async for news in stream:
                # This rank takes jobs from the start; it counts as online when all its modules are up.
                self._members = IdSet(news["members"]) | IdSet((self.ctx.rank,))
                await self._set_online()

    def _present(self) -> IdSet:
        """Return the ranks of R that are online."""
        ranks = self._inventory.rset.ranks
        return ranks if self._table.assume_up else ranks & self._members

    async def _set_online(self) -> None:
        async with self._setting_online:
            before, online = self._inventory.online, self._present()
            for name, ranks in (("online", online - before), ("offline", before - online)):
                if ranks:
                    context = {"idset": str(ranks), "nodelist": self._inventory.hosts(ranks)}
                    await self._change(name, context, at_once=name == "offline")

    def _own_machine(self) -> Machine:
        from bourn.broker.overlay.machines import Machine

        real = self._source.machine()
        return Machine(real.hostname(0), real.cores(0).mask, real.gpus(0).mask)

    def _excluded(self, rset: ResourceSet) -> IdSet:
        """Return the ranks of R that aren't to be used; hosts that haven't come yet may be among them."""
        if not self._table.exclude:
            return IdSet()
        if self._discovers:
            hosts = enumerate(self.ctx.members.hosts)
            rset = ResourceSet.from_nodes((rank, host, "", "") for rank, host in hosts).union(rset)
        return Inventory(rset).targets(self._table.exclude)

    def _events(self) -> Iterator[Event]:
        return parse_eventlog("".join(self._log))

    def _everything(self) -> dict[str, Any]:
        """Return R without the excluded ranks, and who is up."""
        inventory = self._inventory
        usable = inventory.rset.copy_ranks(inventory.ranks) if inventory.exclude else inventory.rset
        found: dict[str, Any] = {"resources": usable.to_dict(), "up": str(inventory.up)}
        if inventory.updates:
            base = inventory.base
            found["base"] = base.copy_ranks(base.ranks - inventory.exclude).to_dict()
            found["updates"] = inventory.updates
        return found

    async def _record(self, *events: tuple[str, dict[str, Any]]) -> None:
        """Make events durable together, then let them take effect."""
        now = time.time()
        made = [Event(now, name, context) for name, context in events]
        lines = [event.encode() for event in made]
        await self.ctx.provider("store").store.commit(Batch(resource=lines))
        self._log += lines
        for event in made:
            self._inventory.apply(event)

    async def _change(self, name: str, context: dict[str, Any], *, at_once: bool = False) -> None:
        """Record an event and tell the schedulers who came up and who went down by it.

        `at_once`: tell them before it is durable, lest jobs be sent to a node that is gone already.
        """
        before = self._inventory.up
        if at_once:
            self._inventory.apply(Event(time.time(), name, context))
            self._tell_changes(before)
            before = self._inventory.up
        await self._record((name, context))
        self._tell_changes(before)

    def _tell_changes(self, before: IdSet) -> None:
        after = self._inventory.up
        news = {}
        if after - before:
            news["up"] = str(after - before)
        if before - after:
            news["down"] = str(before - after)
        if news:
            self._tell(news)

    def _tell(self, news: dict[str, Any]) -> None:
        for request in list(self._acquirers):
            request.respond(news)


def _machines(payload: Mapping[str, Any]) -> dict[int, Machine]:
    if not payload["machines"]:
        return {}
    from bourn.broker.overlay.machines import from_payload

    return dict(from_payload(payload["machines"]))
