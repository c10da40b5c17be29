"""Housekeeping: a command of the administrator on each node of a job that is over, before others get it.

[job-manager.housekeeping]
command = ["/etc/bourn/housekeeping"]
release-after = "30s"

The job is inactive meanwhile. Its nodes are given back together when all are done; after `release-after`
those that are done are given back, and each further one when it is. A node on which the command fails, or
takes longer than `timeout`, is drained. Where the way to a node breaks and is made anew, it runs again
there; and after a restart of the broker on all nodes that weren't done.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import msgspec
import trio
from attrs import Factory, define

from bourn.errors import BournError
from bourn.hookspecs.sched import FreeRequest, HelloJob
from bourn.hookspecs.store import RESOURCE_SET
from bourn.model.idset import IdSet
from bourn.model.interned import INTERNED
from bourn.model.jobid import JobID
from bourn_plugins.job_manager.housekeeping_methods import HOUSEKEEPING
from bourn_plugins.job_manager.job import STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from bourn.broker.module import ModuleContext
    from bourn.config.tables import HousekeepingTable
    from bourn.hookspecs.store import Store
    from bourn.model.interned import InternedJobspec
    from bourn_plugins.job_manager.job import Job

log = logging.getLogger("bourn.job-manager")

RETRY = 0.25
"""Seconds between attempts to reach a rank that may be reached another way."""
_NOT_YET = (errno.EHOSTUNREACH, errno.ENOSYS, errno.EAGAIN)
"""After a restart of the instance: errors of ranks that aren't up yet."""


class Keeping:
    """Which of a job's ranks are given back when. No I/O: each call returns the ranks to give back now."""

    def __init__(self, ranks: IdSet, kept: IdSet | None = None) -> None:
        self.busy = ranks
        """Ranks that aren't done."""
        self.kept = kept or IdSet("")
        """Ranks that are done and wait for others."""
        self._late = False

    def done(self, rank: int) -> IdSet:
        """A rank is done."""
        self.busy -= IdSet([rank])
        self.kept |= IdSet([rank])
        return self._release() if self._late or not self.busy else IdSet("")

    def time_is_up(self) -> IdSet:
        """Those that are done needn't wait for the others any more."""
        self._late = True
        return self._release()

    def _release(self) -> IdSet:
        kept, self.kept = self.kept, IdSet("")
        return kept


@define(eq=False)
class Task:
    """The housekeeping after one job."""

    id: int
    userid: int
    R: dict[str, Any]
    spec: InternedJobspec
    keeping: Keeping
    since: float
    """Seconds since the epoch."""
    again: bool = False
    """Whether it was begun before a restart of the broker."""
    pids: dict[int, int] = Factory(dict)
    """The command's process, by rank."""
    scopes: dict[int, trio.CancelScope] = Factory(dict)
    all_done: trio.Event = Factory(trio.Event)
    scope: trio.CancelScope = Factory(trio.CancelScope)

    @property
    def ranks(self) -> IdSet:
        """Those that haven't been given back."""
        return self.keeping.busy | self.keeping.kept

    def part(self, ranks: IdSet) -> dict[str, Any]:
        """Return what the job had on some ranks."""
        from bourn.model.rset import ResourceSet

        return ResourceSet.from_dict(self.R).copy_ranks(ranks).to_dict()

    def describe(self) -> dict[str, Any]:
        """Return {id, userid, t_start, ranks, nodelist, active}: what it has, and where it runs."""
        from bourn.model.rset import ResourceSet

        nodelist = ResourceSet.from_dict(self.R).copy_ranks(self.ranks).nodelist
        return {
            "id": self.id,
            "userid": self.userid,
            "t_start": self.since,
            "ranks": str(self.ranks),
            "nodelist": str(nodelist),
            "active": str(self.keeping.busy),
        }


class Housekeeping:
    """Runs the command for jobs that give back their nodes, and gives the nodes back.

    Args:
        free: gives back.
        note: has the store keep a value with what happens in this turn.
        patience: seconds that ranks have to come up after a restart.
    """

    def __init__(
        self,
        ctx: ModuleContext,
        table: HousekeepingTable,
        free: Callable[[FreeRequest], None],
        note: Callable[[str, Any], None],
        patience: float,
    ) -> None:
        self._ctx = ctx
        self._table = table
        self._free = free
        self._note = note
        self._patience = patience
        self.running: dict[int, Task] = {}
        self._notes: dict[str, list[Any]] = {}
        self._closed = False

    def take(self, job: Job) -> bool:
        """Take over what a job gives back; False where nothing is to be done, as nothing has run there."""
        if not job.facts & STARTED or job.R is None or job.id in self.running:
            return False
        ranks = IdSet(",".join(entry["rank"] for entry in job.R["execution"]["R_lite"]))
        self._begin(Task(job.id, job.userid, job.R, job.spec, Keeping(ranks), time.time()))
        return True

    def resume(self, store: Store, holding: Collection[int]) -> None:
        """Go on after a restart, but for jobs that hadn't given back their nodes, as far as is durable."""
        for text, (busy, kept, since) in (store.meta(HOUSEKEEPING) or {}).items():
            row, R = store.job(int(text)), store.log_last(int(text), RESOURCE_SET)
            if row is None or R is None or row.id in holding or row.id in self.running:
                continue
            spec = INTERNED.intern_row(row.spec_json, row.environment)
            keeping = Keeping(IdSet(busy), IdSet(kept))
            self._begin(Task(row.id, row.userid, msgspec.json.decode(R), spec, keeping, since, again=True))
            log.info("job %s: housekeeping is run again on ranks %s", JobID(row.id), busy)
        self._write()

    def close(self) -> None:
        """End what runs, with the instance, and begin no more; `resume` begins it again."""
        self._closed = True
        for task in self.running.values():
            task.scope.cancel()

    def hello(self) -> list[HelloJob]:
        """Return what a scheduler that comes has to know: jobs that are over and hold resources."""
        return [
            HelloJob(task.id, task.part(task.ranks), 0, task.userid, task.since, task.spec)
            for task in self.running.values()
        ]

    def kill(self, signum: int, ids: Iterable[int] | None, ranks: IdSet | None) -> int:
        """Signal the command after these jobs, or all, on these ranks, or all; return how many there are."""
        found = 0
        for id in list(self.running) if ids is None else ids:
            task = self.running.get(id)
            if task is None:
                raise BournError(f"there is no housekeeping after job {JobID(id)}", errno.ENOENT)
            for rank in task.keeping.busy if ranks is None else task.keeping.busy & ranks:
                found += 1
                if pid := task.pids.get(rank):
                    self._ctx.post("rexec.kill", {"pid": pid, "signum": signum}, nodeid=rank)
                elif rank in task.scopes:
                    task.scopes[rank].cancel()
        return found

    def _begin(self, task: Task) -> None:
        self.running[task.id] = task
        self._noted(task)
        if not self._closed:
            self._ctx.nursery.start_soon(self._keep, task)

    def _noted(self, task: Task) -> None:
        keeping = task.keeping
        if task.ranks:
            self._notes[str(task.id)] = [str(keeping.busy), str(keeping.kept), task.since]
        else:
            self._notes.pop(str(task.id), None)
        self._write()

    def _write(self) -> None:
        self._note(HOUSEKEEPING, self._notes.copy() or None)

    async def _keep(self, task: Task) -> None:
        async with trio.open_nursery() as nursery:
            task.scope = nursery.cancel_scope
            for rank in task.keeping.busy:
                nursery.start_soon(self._run, task, rank)
            nursery.start_soon(self._release, task)
            await task.all_done.wait()
            nursery.cancel_scope.cancel()

    async def _release(self, task: Task) -> None:
        await trio.sleep(max(0.0, task.since + self._table.release_after - time.time()))
        self._give_back(task, task.keeping.time_is_up())

    async def _run(self, task: Task, rank: int) -> None:
        problem = ""
        with trio.move_on_after(self._table.timeout) as limit:
            task.scopes[rank] = limit
            problem = await self._command(task, rank)
        if limit.cancelled_caught:
            problem = f"housekeeping took longer than {self._table.timeout:g} s"
            if trio.current_time() < limit.deadline:
                problem = "housekeeping was killed before it began"
        if problem:
            log.error("job %s: rank %d: %s", JobID(task.id), rank, problem)
            drain = {"targets": str(rank), "reason": f"job {JobID(task.id)}: {problem}", "mode": "update"}
            self._ctx.post("resource.drain", drain)
        self._give_back(task, task.keeping.done(rank))

    async def _command(self, task: Task, rank: int) -> str:
        """Run the command on a rank, again where the way there breaks; return what is wrong with it."""
        id = JobID(task.id).f58
        env = {"BOURN_JOB_ID": id, "BOURN_JOB_USERID": str(task.userid), "BOURN_JOB_RANKS": str(rank)}
        payload = {"command": list(self._table.command), "env": env}
        status = None
        patience = trio.current_time() + (self._patience if task.again else 0.0)
        while status is None:
            try:
                async with self._ctx.stream("rexec.exec", payload, nodeid=rank) as stream:
                    async for reply in stream:
                        if reply["type"] == "started":
                            task.pids[rank] = reply["pid"]
                        elif reply["type"] == "finished":
                            status = reply["status"]
                    break
            except BournError as error:
                early = error.errnum in _NOT_YET and trio.current_time() < patience
                if not early and (error.errnum != errno.EHOSTUNREACH or await self._is_gone(rank)):
                    return f"housekeeping: {error.message}"
            finally:
                task.pids.pop(rank, None)
            await trio.sleep(RETRY)
        if status is None:
            return "housekeeping ended without a status"
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return f"housekeeping was killed by {signal.Signals(-code).name}"
        return f"housekeeping failed with status {code}" if code else ""

    async def _is_gone(self, rank: int) -> bool:
        """Whether a rank isn't just astray for now."""
        found = await self._ctx.rpc("overlay.where", {"rank": rank}, nodeid=0)
        return bool(found["state"] == "gone")

    def _give_back(self, task: Task, ranks: IdSet) -> None:
        final = not task.ranks
        if final:
            del self.running[task.id]
            task.all_done.set()
        self._noted(task)
        if ranks:
            self._free(FreeRequest(task.id, task.part(ranks), final))
