"""Housekeeping: a command of the administrator on each node of a job that is over, before others get it.

[job-manager.housekeeping]
command = ["/etc/bourn/housekeeping"]
release-after = "30s"

The job is inactive meanwhile. Its nodes are given back together when all are done; after `release-after`
those that are done are given back, and each further one when it is. A node on which the command fails, or
takes longer than `timeout`, is drained. Where the way to a node breaks and is made anew, it runs again
there. A restart of the broker cuts housekeeping off and frees the nodes.
"""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING, Any

import trio

from bourn.errors import BournError
from bourn.hookspecs.sched import FreeRequest
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID
from bourn_plugins.job_manager.job import STARTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.module import ModuleContext
    from bourn.config.tables import HousekeepingTable
    from bourn_plugins.job_manager.job import Job

log = logging.getLogger("bourn.job-manager")

RETRY = 0.25
"""Seconds between attempts to reach a rank that may be reached another way."""


class Keeping:
    """Which of a job's ranks are given back when. No I/O: each call returns the ranks to give back now."""

    def __init__(self, ranks: IdSet) -> None:
        self.busy = ranks
        """Ranks that aren't done."""
        self._kept = IdSet("")
        self._late = False

    def done(self, rank: int) -> IdSet:
        """A rank is done."""
        self.busy -= IdSet([rank])
        self._kept |= IdSet([rank])
        return self._release() if self._late or not self.busy else IdSet("")

    def time_is_up(self) -> IdSet:
        """Those that are done needn't wait for the others any more."""
        self._late = True
        return self._release()

    def _release(self) -> IdSet:
        kept, self._kept = self._kept, IdSet("")
        return kept


class Housekeeping:
    """Runs the command for jobs that give back their nodes, and gives the nodes back."""

    def __init__(
        self, ctx: ModuleContext, table: HousekeepingTable, free: Callable[[FreeRequest], None]
    ) -> None:
        self._ctx = ctx
        self._table = table
        self._free = free
        self.running: dict[int, Keeping] = {}
        self._all_done: dict[int, trio.Event] = {}

    def take(self, job: Job) -> bool:
        """Take over what a job gives back; False where nothing is to be done, as nothing has run there."""
        if not job.facts & STARTED or job.R is None or job.id in self.running:
            return False
        ranks = IdSet(",".join(entry["rank"] for entry in job.R["execution"]["R_lite"]))
        self.running[job.id], self._all_done[job.id] = Keeping(ranks), trio.Event()
        self._ctx.nursery.start_soon(self._keep, job.id, job.userid, job.R, ranks)
        return True

    async def _keep(self, id: int, userid: int, R: dict[str, Any], ranks: IdSet) -> None:
        keeping = self.running[id]
        async with trio.open_nursery() as nursery:
            for rank in ranks:
                nursery.start_soon(self._run, id, userid, R, rank, keeping)
            nursery.start_soon(self._release, id, R, keeping)
            await self._all_done[id].wait()
            nursery.cancel_scope.cancel()
        del self.running[id], self._all_done[id]

    async def _release(self, id: int, R: dict[str, Any], keeping: Keeping) -> None:
        await trio.sleep(self._table.release_after)
        self._give_back(id, R, keeping.time_is_up(), final=False)

    async def _run(self, id: int, userid: int, R: dict[str, Any], rank: int, keeping: Keeping) -> None:
        problem = ""
        with trio.move_on_after(self._table.timeout) as limit:
            problem = await self._command(id, userid, rank)
        if limit.cancelled_caught:
            problem = f"housekeeping took longer than {self._table.timeout:g} s"
        if problem:
            log.error("job %s: rank %d: %s", JobID(id), rank, problem)
            drain = {"targets": str(rank), "reason": f"job {JobID(id)}: {problem}", "mode": "update"}
            self._ctx.post("resource.drain", drain)
        self._give_back(id, R, keeping.done(rank), final=not keeping.busy)
        if not keeping.busy:
            self._all_done[id].set()

    async def _command(self, id: int, userid: int, rank: int) -> str:
        """Run the command on a rank, again where the way there breaks; return what is wrong with it."""
        env = {"BOURN_JOB_ID": JobID(id).f58, "BOURN_JOB_USERID": str(userid), "BOURN_JOB_RANKS": str(rank)}
        payload = {"command": list(self._table.command), "env": env}
        status = None
        while status is None:
            try:
                async with self._ctx.stream("rexec.exec", payload, nodeid=rank) as stream:
                    async for reply in stream:
                        if reply["type"] == "finished":
                            status = reply["status"]
                    break
            except BournError as error:
                if error.errnum != errno.EHOSTUNREACH or await self._is_gone(rank):
                    return f"housekeeping: {error.message}"
            await trio.sleep(RETRY)
        if status is None:
            return "housekeeping ended without a status"
        return f"housekeeping failed with status {os.waitstatus_to_exitcode(status)}" if status else ""

    async def _is_gone(self, rank: int) -> bool:
        """Whether a rank isn't just astray for now."""
        found = await self._ctx.rpc("overlay.where", {"rank": rank}, nodeid=0)
        return bool(found["state"] == "gone")

    def _give_back(self, id: int, R: dict[str, Any], ranks: IdSet, *, final: bool) -> None:
        if ranks:
            from bourn.model.rset import ResourceSet

            part = ResourceSet.from_dict(R).copy_ranks(ranks).to_dict()
            self._free(FreeRequest(id, part, final))
