"""A child's connection to its parent: jobs come down, reports go up."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.broker.nesting import remote_uri
from bourn.client.aio import Handle
from bourn.client.transport import Encoded
from bourn.errors import BournError, RPCError
from bourn.model.flags import KEPT_ABOVE
from bourn.model.idset import IdSet
from bourn.model.interned import INTERNED, IngestedJob, InternedJobspec
from bourn.model.jobid import JobID
from bourn.model.states import State
from bourn_plugins.hierarchy.jobspec import STATEDIR
from bourn_plugins.hierarchy.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.broker.module import ModuleContext
    from bourn_plugins.hierarchy.mirror import Report
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.module import JobManager

log = logging.getLogger("bourn.hierarchy")

_encode = msgspec.json.Encoder().encode

SHARE = 3
"""So many times as long as the parent took for a report we wait before the next: many children leave
it time for other things, and what they have to say gets together."""
LONGEST_REST = 0.03
"""Seconds between reports at most, and while many jobs end."""
MUCH = 10
"""Jobs that ended since the report before."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to reach a parent that is gone."""


class Uplink:
    """Joins the parent, again and again if the connection is lost, until the instance ends."""

    def __init__(self, ctx: ModuleContext, manager: JobManager) -> None:
        self._ctx = ctx
        self._manager = manager
        self._engine: Engine = manager.engine
        self._mirror = Mirror()
        self._specs: dict[int, InternedJobspec] = {}
        self._handle: Handle | None = None
        self._jobid = int(JobID.parse(ctx.attrs["jobid"]))
        self._parent = ctx.attrs["parent-uri"]
        self._statedir = ctx.attrs.get(STATEDIR)
        self._due = trio.Event()
        self._closed = IdSet()
        """The ranks that are drained here because the parent's are."""
        self._closing = trio.Lock()
        self._resting = True
        self._much = False
        """Whether the last report told of many jobs that have ended."""
        self._sent = 0.0

    async def run(self) -> None:
        """Follow the parent."""
        self._engine.watchers.append(self._rows)
        self._ctx.nursery.start_soon(self._pace)
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    await self._join()
                    pause = FIRST_PAUSE
                except BournError as error:
                    log.info("the parent instance isn't there: %s", error.message)
                await trio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._engine.watchers.remove(self._rows)

    def stats(self) -> dict[str, object]:
        """Return how many jobs of the parent are here."""
        return {"parent-jobs": len(self._mirror.jobs), "joined": self._handle is not None}

    async def _join(self) -> None:
        R = (await self._ctx.rpc("resource.status"))["R"]
        request = {
            "child": self._jobid,
            "R": R,
            "uri": remote_uri(self._ctx.attrs["local-uri"]),
            "have": self._mirror.have(),
        }
        async with Handle(self._address()) as handle, handle.stream("hierarchy.join", request) as stream:
            welcome = await anext(stream)
            self._specs.clear()
            for report in self._mirror.again(welcome["seen"]):
                handle.post("hierarchy.report", self._encoded(report))
            self._handle = handle
            self._sent = trio.current_time()
            self._due.set()
            try:
                async for message in stream:
                    self._receive(message)
            finally:
                self._handle = None

    def _address(self) -> str:
        """Return where the parent is; one that was restarted notes it in its state directory."""
        if self._statedir is not None and not Path(self._parent.removeprefix("local://")).exists():
            try:
                rundir = (Path(self._statedir) / "rundir").read_text().strip()
            except OSError:
                return self._parent
            return f"local://{os.path.join(rundir, 'local')}"
        return self._parent

    # Down

    def _receive(self, message: dict[str, Any]) -> None:
        engine = self._engine
        engine.now()
        if "ack" in message:
            self._mirror.acknowledge(message["ack"])
            self._due.set()
            if len(message) == 1:
                return
        for number, obj in message.get("specs", ()):
            self._specs[number] = INTERNED.intern_obj(obj)
        if "jobs" in message:
            self._take(message["jobs"], message.get("again", ()))
        for id, urgency in message.get("urgency", ()):
            job = engine.jobs.get(id)
            if job is not None and job.state in State.PENDING and job.urgency != urgency:
                engine.post(job, "urgency", {"urgency": urgency, "userid": job.userid})
                engine.reprioritize([job])
        for id, t in message.get("expiration", ()):
            job = engine.jobs.get(id)
            if job is not None and job.state is State.RUN:
                reason = engine.move_expiration(job, t)
                if reason is not None:
                    log.warning("job %s: its time limit can't be moved: %s", JobID(id), reason)
        for id in message.get("recall", ()):
            job = engine.jobs.get(id)
            if job is not None and job.state in State.PENDING:
                engine.post(job, "exception", {"type": "cancel", "severity": 0, "note": "recalled"})
        if "closed" in message:
            self._ctx.nursery.start_soon(self._close, message["closed"])
        for id, signum in message.get("kill", ()):
            if id in engine.jobs:
                self._kill(id, signum)
        for id, kind, note in message.get("cancel", ()):
            job = engine.jobs.get(id)
            if job is not None and job.state not in (State.CLEANUP, State.INACTIVE):
                engine.post(job, "exception", {"type": kind, "severity": 0, "note": note})
        for call in message.get("call", ()):
            self._ctx.nursery.start_soon(self._call, *call)
        if message.get("stop"):
            self._ctx.post("broker.shutdown", {})
        engine.kick()

    def _take(self, jobs: Sequence[Sequence[Any]], again: Sequence[int]) -> None:
        owner = self._ctx.owner
        items = [
            IngestedJob(id, owner, urgency, flags | KEPT_ABOVE, t_submit, self._specs[number], overrides)
            for id, number, urgency, flags, t_submit, overrides in jobs
            if self._mirror.add(id)
        ]
        past = [id for id in again if self._engine.store.inactive_job(id) is not None]
        if past:
            # A former life of these jobs gives way, and must be gone before the next begins.
            self._engine.purge(past)
            self._engine.when_committed(lambda: self._submit(items))
        elif items:
            self._submit(items)

    def _submit(self, items: list[IngestedJob]) -> None:
        def done(error: BournError | None) -> None:
            if error is None:
                return
            if len(items) > 1:
                for item in items:
                    self._submit([item])
            else:
                self._mirror.deny(items[0].id, error.message)
                self._ctx.soon(self._send)

        self._manager.submit(items, done)

    def _kill(self, id: int, signum: int) -> None:
        try:
            self._engine.exec.kill([(id, signum)])
        except BournError as error:
            log.warning("job %s can't be sent signal %d: %s", JobID(id), signum, error.message)

    async def _close(self, closed: Sequence[tuple[str, str]]) -> None:
        """Drain the ranks on which the parent lets no jobs begin; undrain others that it had us drain."""
        async with self._closing:
            if not closed and not self._closed:
                return
            drained = IdSet()
            for entry in (await self._ctx.rpc("resource.status"))["drain"]:
                drained |= IdSet(entry["ranks"])
            back = self._closed & drained
            self._closed = IdSet()
            for ranks, reason in closed:
                self._closed |= (back & IdSet(ranks)) | (new := IdSet(ranks) - drained)
                back -= IdSet(ranks)
                if new:
                    note = f"in the parent instance: {reason or 'drained'}"
                    await self._ask("resource.drain", {"targets": str(new), "reason": note})
            if back:
                await self._ask("resource.undrain", {"targets": str(back)})

    async def _ask(self, topic: str, payload: object) -> None:
        try:
            await self._ctx.rpc(topic, payload)
        except RPCError as error:
            log.warning("%s, which the parent asks for: %s", topic, error.message)

    async def _call(self, tag: int, topic: str, payload: Any) -> None:
        """Call a service here for the parent."""
        answer: dict[str, Any] = {"child": self._jobid, "tag": tag}
        try:
            answer["payload"] = await self._ctx.rpc(topic, payload)
        except RPCError as error:
            answer.update(errnum=error.errnum, text=error.message)
        if self._handle is not None:
            self._handle.post("hierarchy.answer", answer)

    # Up

    def _rows(self, rows: Sequence[tuple[int, str, str]]) -> None:
        if self._mirror.jobs and self._mirror.rows(rows):
            self._ctx.soon(self._send)

    async def _pace(self) -> None:
        """After a report has been acknowledged, send the next, but not at once: it carries more then."""
        while True:
            await self._due.wait()
            self._due = trio.Event()
            took = trio.current_time() - self._sent
            await trio.sleep(LONGEST_REST if self._much else min(SHARE * took, LONGEST_REST))
            self._resting = False
            self._send()

    def _send(self) -> None:
        """Report what there is, unless a report is on its way or was a moment ago."""
        if self._handle is None or self._resting:
            return
        report = self._mirror.collect()
        if report is not None:
            self._resting = True
            self._much = len(report.get("over", ())) >= MUCH
            self._sent = trio.current_time()
            try:
                self._handle.post("hierarchy.report", self._encoded(report))
            except BournError as error:
                log.info("the parent instance is gone: %s", error.message)

    def _encoded(self, report: Report) -> Encoded:
        return Encoded(_encode({"child": self._jobid, **report}).decode())
