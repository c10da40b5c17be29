"""A nested instance whose bounds move: the end of its job, and what it borrows from its parent."""

from __future__ import annotations

import errno
import json
import logging
from typing import TYPE_CHECKING, Any

import trio
from attrs import Factory, define

from bourn.client.aio import Handle
from bourn.errors import BournError, RPCError
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID
from bourn.model.rset import ResourceSet
from bourn_plugins.job_manager.ends import move_ends

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bourn.broker.module import ModuleContext
    from bourn_plugins.job_manager.engine import Engine

log = logging.getLogger("bourn.hierarchy")

RETRY_SECONDS = 1.0
GIVE_BACK_SECONDS = 10.0
"""How long the parent may take to hear of what is given back."""
ONLINE_SECONDS = 60.0
"""How long the brokers of nodes that were lent may take to come up."""


@define
class Loan:
    """What the parent has lent: its job there, and R in our ranks."""

    id: int
    R: ResourceSet
    whole: bool = False
    """Whether it is nodes, with brokers of ours on them."""
    waiting: trio.CancelScope = Factory(trio.CancelScope)
    """Who waits for those brokers; in vain once the loan has ended."""


class Elastic:
    """The child's part of moving ends, growing and shrinking."""

    def __init__(self, ctx: ModuleContext, engine: Engine) -> None:
        self._ctx = ctx
        self._engine = engine
        self._jobid = int(JobID.parse(ctx.attrs["jobid"]))
        self._parent = ctx.attrs["parent-uri"]
        self._loans: list[Loan] = []
        self._recruiting = trio.Lock()
        """Ranks are given to one loan of nodes after the other."""
        self._lock = trio.Lock()
        """Changes of what we have are made one after the other."""

    async def follow(self) -> None:
        """Take over each new end of our job, until the parent has gone."""

        async def note(lines: str) -> None:
            if '"resource-update"' in lines:
                await self._move_end(lines)

        await self._read_on(self._jobid, note)

    async def _read_on(self, id: int, note: Callable[[str], Awaitable[None]]) -> None:
        """Hand on what is new in the eventlog of a job of the parent, until the job has ended."""
        watch = {"id": id, "path": "eventlog", "follow": True}
        while True:
            try:
                async with (
                    Handle(self._parent) as handle,
                    handle.stream("job-info.eventlog-watch", watch) as stream,
                ):
                    async for news in stream:
                        await note(news["event"])
                return
            except BournError as error:
                if error.errnum == errno.ENOENT and isinstance(error, RPCError):
                    return
                log.debug("the parent instance isn't there: %s", error.message)
            await trio.sleep(RETRY_SECONDS)

    async def _move_end(self, lines: str) -> None:
        events = [json.loads(line) for line in lines.splitlines()]
        ends = [e["context"]["expiration"] for e in events if e["name"] == "resource-update"]
        async with self._lock:
            given = await self._allotment()
            before, after = given.expiration, float(ends[-1])
            if before == after:
                return
            given.expiration = after
            await self._ctx.rpc("resource.allot", {"R": given.to_dict()})
        await move_ends(self._engine, before, after)

    async def grow(self, cores: int, gpus: int) -> dict[str, Any]:
        """Borrow cores, and GPUs, on our own nodes; return what came: {id, ncores, ngpus, ranks}."""
        async with Handle(self._parent) as handle:
            found = await handle.rpc("job-info.lookup", {"id": self._jobid, "keys": ["R"]})
            own = ResourceSet.from_dict(found["R"])
            request = {"job": self._jobid, "cores": cores, "gpus": gpus, "ranks": str(own.ranks)}
            reply = await handle.rpc("hierarchy.lend", request)
            place = {rank: here for here, rank in enumerate(own.ranks)}
            R = _renumber(ResourceSet.from_dict(reply["R"]), place)
            loan = Loan(reply["id"], R)
            try:
                async with self._lock:
                    await self._add(loan)
            except BaseException:
                await _give_back(handle, loan)
                raise
        return {"id": loan.id, "ncores": R.ncores, "ngpus": R.ngpus, "ranks": str(R.ranks)}

    async def grow_nodes(self, nodes: int) -> dict[str, Any]:
        """Borrow whole nodes, each with a broker that takes part in our overlay; return as `grow` does."""
        async with self._recruiting, Handle(self._parent) as handle:
            request = {
                "job": self._jobid,
                "nodes": nodes,
                "invitation": await self._ctx.rpc("overlay.invite"),
            }
            reply = await handle.rpc("hierarchy.lend", request)
            cards = reply["cards"]
            place = {int(card["node"]): int(rank) for rank, card in cards.items()}
            R = _renumber(ResourceSet.from_dict(reply["R"]), place)
            loan = Loan(reply["id"], R, whole=True)
            try:
                await self._ctx.rpc("overlay.take", {"cards": cards})
                async with self._lock:
                    await self._add(loan)
            except BaseException:
                self._ctx.post("overlay.release", {"ranks": str(R.ranks)})
                await _give_back(handle, loan)
                raise
            await handle.rpc("hierarchy.taken", {"id": loan.id})
            await self._wait_for(loan)
        return {"id": loan.id, "ncores": R.ncores, "ngpus": R.ngpus, "ranks": str(R.ranks)}

    async def _wait_for(self, loan: Loan) -> None:
        """Wait until the brokers of a loan are up; BournError where it ends before."""
        loan.waiting.deadline = trio.current_time() + ONLINE_SECONDS
        with loan.waiting:
            async with self._ctx.stream("groups.watch", {"name": "broker.online"}) as stream:
                async for news in stream:
                    if not loan.R.ranks - IdSet(news["members"]):
                        return
        if loan not in self._loans:
            raise BournError(f"the loan {JobID(loan.id)} has ended before its brokers were up")
        log.warning("rank %s isn't up after %g s", loan.R.ranks, ONLINE_SECONDS)

    async def _add(self, loan: Loan) -> None:
        before = await self._allotment()
        after = before.union(loan.R)
        after.expiration = before.expiration
        await self._ctx.rpc("resource.allot", {"R": after.to_dict()})
        change = {"op": "attach", "format": "rv1exec", "content": json.dumps(loan.R.to_dict())}
        try:
            await self._ctx.rpc("resource.update", {"changes": [change]})
        except RPCError:
            await self._ctx.rpc("resource.allot", {"R": before.to_dict()})
            raise
        self._loans.append(loan)
        self._ctx.nursery.start_soon(self._watch_over, loan)

    async def _watch_over(self, loan: Loan) -> None:
        """Do without a loan that has ended, though we haven't given it back."""

        async def note(lines: str) -> None:
            """Whatever becomes of it, until it ends."""

        await self._read_on(loan.id, note)
        async with self._lock:
            if loan not in self._loans:
                return
            log.warning("the parent instance has ended the loan %s: %s", JobID(loan.id), _what(loan.R))
            try:
                await self._drop(loan, wait=False, force=True)
            except RPCError as error:
                log.error("loan %s can't be taken out of the resources: %s", JobID(loan.id), error.message)

    async def shrink(
        self, cores: int | None, ids: Sequence[int], *, wait: bool, force: bool
    ) -> dict[str, Any]:
        """Give loans back, by their ids or, the latest first, so many cores; return {ids, ncores}.

        EBUSY while jobs hold some of it, unless `wait`, when no new job gets it, or `force`, which ends them.
        """
        async with self._lock:
            chosen = choose(self._loans, cores, ids)
            for loan in chosen:
                await self._drop(loan, wait=wait, force=force)
                async with Handle(self._parent) as handle:
                    await _give_back(handle, loan)
        return {"ids": [loan.id for loan in chosen], "ncores": sum(loan.R.ncores for loan in chosen)}

    async def _drop(self, loan: Loan, *, wait: bool, force: bool) -> None:
        """Take a loan out of what we have; the brokers on whole nodes leave the instance for good."""
        paths = nodes_of(loan.R) if loan.whole else paths_of(loan.R)
        await self._remove(paths, wait=wait, force=force)
        before = await self._allotment()
        after = before.diff(loan.R)
        after.expiration = before.expiration
        await self._ctx.rpc("resource.allot", {"R": after.to_dict()})
        self._loans.remove(loan)
        loan.waiting.cancel()
        if loan.whole:
            await self._ctx.rpc("overlay.release", {"ranks": str(loan.R.ranks)})

    async def _remove(self, paths: Sequence[str], *, wait: bool, force: bool) -> None:
        def changes(op: str, **more: str) -> list[dict[str, str]]:
            return [{"op": op, "path": path, **more} for path in paths]

        gone = False
        try:
            if wait:
                await self._ctx.rpc("resource.update", {"changes": changes("status", status="down")})
            request = {"changes": changes("remove"), "wait": wait, "force": force}
            await self._ctx.rpc("resource.update", request)
            gone = True
        finally:
            if wait and not gone:
                self._ctx.post("resource.update", {"changes": changes("status", status="up")})

    async def _allotment(self) -> ResourceSet:
        return ResourceSet.from_dict((await self._ctx.rpc("resource.allotment"))["R"])


async def _give_back(handle: Handle, loan: Loan) -> None:
    """Tell the parent that a loan isn't used, whatever else happens; it may have ended by itself."""
    with trio.move_on_after(GIVE_BACK_SECONDS, shield=True):
        try:
            await handle.rpc("hierarchy.give-back", {"id": loan.id})
        except RPCError as error:
            if error.errnum != errno.ENOENT:
                raise


def paths_of(R: ResourceSet) -> list[str]:
    """Return where the scheduler's graph has the cores and GPUs of a loan, whose R it was made from."""
    return [
        f"/cluster0/{R.hostname(rank)}/{kind}{number}"
        for rank in R.ranks
        for kind, numbers in (("core", R.cores(rank)), ("gpu", R.gpus(rank)))
        for number in numbers
    ]


def nodes_of(R: ResourceSet) -> list[str]:
    """Return where the scheduler's graph has the nodes of a loan."""
    return [f"/cluster0/{R.hostname(rank)}" for rank in R.ranks]


def choose(loans: Sequence[Loan], cores: int | None, ids: Sequence[int]) -> list[Loan]:
    """Return the loans to give back: those named, or the latest that make up `cores`; all with neither."""
    if not loans:
        raise BournError(
            "nothing was borrowed from the parent instance; `bourn grow` does that", errno.ENOENT
        )
    have = ", ".join(f"{JobID(loan.id)} ({_cores(loan.R.ncores)})" for loan in loans)
    if ids:
        known = {loan.id: loan for loan in loans}
        for id in ids:
            if id not in known:
                raise BournError(f"{JobID(id)} is no loan; there are: {have}", errno.ENOENT)
        return [known[id] for id in ids]
    if cores is None:
        return list(reversed(loans))
    chosen: list[Loan] = []
    for loan in reversed(loans):
        if sum(other.R.ncores for other in chosen) < cores:
            chosen.append(loan)
    if sum(loan.R.ncores for loan in chosen) != cores:
        raise BournError(f"loans are given back whole, and {_cores(cores)} is no sum of the latest: {have}")
    return chosen


def _what(R: ResourceSet) -> str:
    return f"{_cores(R.ncores)} on rank {R.ranks}"


def _cores(count: int) -> str:
    return f"{count} core{'s' if count != 1 else ''}"


def _renumber(R: ResourceSet, place: dict[int, int]) -> ResourceSet:
    return ResourceSet.from_nodes(
        (place[rank], R.hostname(rank), R.cores(rank), R.gpus(rank)) for rank in R.ranks
    )
