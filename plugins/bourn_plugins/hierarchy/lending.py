"""The parent's part of growing: a job of this instance that is an instance gets resources of another job,
which runs nothing, and has them until it gives them back or ends."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import trio

from bourn.errors import BournError
from bourn.hookspecs.boot import LAUNCHER
from bourn.model.idset import IdSet
from bourn.model.jobid import JobID
from bourn.model.jobspec_build import from_command, from_nest_command, set_attr
from bourn.model.rset import ResourceSet
from bourn.model.states import State
from bourn_plugins.hierarchy.jobspec import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.broker.module import ModuleContext, Request
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.job import Job

FOR_EVER = 1e9
"""Seconds that a loan runs by itself, if nobody ends it."""
LENT_TO = "lent-to"


class Meeting:
    """The brokers on nodes that are being lent, until the borrower knows them."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.cards: dict[str, dict[str, Any]] = {}
        """By rank in the borrower."""
        self.waiting: list[Request] = []
        self.over = trio.Event()
        """All are there, or it's no use to wait for them."""


class Lending:
    """Loans, each a job that holds what another job, the borrower, uses.

    Args:
        ctx: the module's context.
        engine: of the job manager.
    """

    def __init__(self, ctx: ModuleContext, engine: Engine) -> None:
        self._ctx = ctx
        self._engine = engine
        self._loans: dict[int, int] = {}
        self._meetings: dict[int, Meeting] = {}
        for job in engine.jobs.values():
            borrower = (job.spec.system.get(MARK) or {}).get(LENT_TO)
            if borrower is not None and job.state is not State.INACTIVE:
                self._note(job.id, int(borrower))
        engine.on_gone.append(self._gone)
        for id, borrower in list(self._loans.items()):
            if borrower not in engine.jobs:
                self.end(id, "its borrower has ended")

    async def lend(self, request: Request) -> dict[str, Any]:
        """Submit a loan and wait for its resources, or withdraw it if the borrower gives up."""
        borrower = self._engine.find(request.get("job", int))
        if borrower.R is None or borrower.state is not State.RUN:
            raise BournError(f"job {JobID(borrower.id)} doesn't run", errno.EINVAL)
        nodes = request.get("nodes", int, 0)
        if nodes:
            await self._refuse_its_own(borrower, nodes)
            spec = nodes_jobspec(borrower.id, nodes, request.get("invitation", dict))
        else:
            cores, gpus = request.get("cores", int), request.get("gpus", int, 0)
            spec = loan_jobspec(borrower.id, cores, gpus, request.get("ranks", str))
        reply = await self._ctx.rpc("job-ingest.submit", {"jobspecs": [spec], "jobs": [{"jobspec": 0}]})
        id: int = reply["ids"][0]
        self._note(id, borrower.id)
        granted = False
        meeting = self._meetings[id] = Meeting(nodes)
        try:
            watch = {"id": id, "path": "eventlog", "follow": True}
            async with self._ctx.stream("job-info.eventlog-watch", watch) as stream:
                async for news in stream:
                    if '"name":"exception"' in news["event"]:
                        break
                    if '"name":"start"' in news["event"]:
                        granted = True
                        break
            job = self._engine.jobs.get(id)
            if granted and nodes:
                granted = False
                await meeting.over.wait()
                if len(meeting.cards) < nodes:
                    raise BournError("the brokers on the nodes that the parent instance gave have ended")
                granted = True
            if not granted or job is None or job.R is None:
                why = (
                    job.exception[2] if job is not None and job.exception is not None else "it was cancelled"
                )
                raise BournError(f"the parent instance can't give that: {why}", errno.ENOSPC)
            return {"id": id, "R": job.R, "cards": meeting.cards}
        finally:
            if not (granted and nodes):
                self._meetings.pop(id, None)
            if not granted:
                self.end(id, "the borrower gave up")

    async def _refuse_its_own(self, borrower: Job, nodes: int) -> None:
        """Refuse nodes that only the borrower itself could let go of: it would wait for its own end."""
        assert borrower.R is not None
        ranks = IdSet((await self._ctx.rpc("resource.info"))["ranks"])
        others = len(ranks - ResourceSet.from_dict(borrower.R).ranks)
        if nodes > others:
            there = f"{others} node{'' if others == 1 else 's'}"
            raise BournError(
                f"the parent instance has {there} besides those of job {JobID(borrower.id)}", errno.ENOSPC
            )

    def meet(self, request: Request) -> None:
        """Take the card of a broker that runs in a loan, which waits until the borrower knows it."""
        id = request.get("id", int)
        meeting = self._meetings.get(id)
        if meeting is None:
            raise BournError(f"nobody waits for brokers of job {JobID(id)}", errno.ENOENT)
        meeting.cards[str(request.get("rank", int))] = request.get("card", dict)
        meeting.waiting.append(request)
        if len(meeting.cards) == meeting.nodes:
            meeting.over.set()

    def taken(self, id: int) -> None:
        """Tell the brokers of a loan that the borrower knows them."""
        meeting = self._meetings.pop(id, None)
        for request in meeting.waiting if meeting is not None else ():
            request.respond()

    def end(self, id: int, note: str) -> None:
        """Take a loan back."""
        if self._loans.pop(id, None) is not None and id in self._engine.jobs:
            cancel = {"id": id, "type": "cancel", "severity": 0, "note": note}
            self._ctx.post("job-manager.raise", cancel)

    def of(self, id: int) -> int | None:
        """Return the borrower of a loan."""
        return self._loans.get(id)

    def _note(self, id: int, borrower: int) -> None:
        self._loans[id] = borrower
        self._engine.standing.add(id)

    def _gone(self, job: Job) -> None:
        self._loans.pop(job.id, None)
        if (meeting := self._meetings.pop(job.id, None)) is not None:
            meeting.cards.clear()
            meeting.over.set()
        for id, borrower in list(self._loans.items()):
            if borrower == job.id:
                self.end(id, f"its borrower {JobID(borrower)} has ended")


def loan_jobspec(borrower: int, cores: int, gpus: int, ranks: str) -> dict[str, Any]:
    """Return the jobspec of a loan: `cores` and `gpus` on some of `ranks`."""
    if cores < 1 or gpus < 0 or (gpus and cores % gpus):
        raise BournError(f"{cores} cores and {gpus} GPUs: ask for 1 core at least, and as many for each GPU")
    slots = gpus or cores
    spec: dict[str, Any] = from_command(
        ["loan"], slots, cores // slots, 1 if gpus else None, environment={}, name="loan"
    )
    set_attr(spec, "system.exec", {"test": {"run_duration": FOR_EVER}})
    set_attr(spec, "system.constraints", {"ranks": [ranks]})
    set_attr(spec, f"system.{MARK}", {LENT_TO: borrower})
    return spec


def nodes_jobspec(borrower: int, nodes: int, invitation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the jobspec of a loan of whole nodes, on each of which a broker of the borrower runs."""
    if nodes < 1:
        raise BournError(f"{nodes} nodes: ask for 1 at least")
    environment = {**os.environ, LAUNCHER: f"join:{json.dumps(invitation)}"}
    spec: dict[str, Any] = from_nest_command(
        [], nodes, 1, None, nodes, exclusive=True, environment=environment, name="loan"
    )
    set_attr(spec, f"system.{MARK}", {LENT_TO: borrower})
    return spec
