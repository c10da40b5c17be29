"""The module job-info: what is kept of a job, and its logs as they grow."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.broker.module import ANYONE, Module, Request, Role, method
from bourn.errors import BournError, suggest
from bourn.hookspecs.store import EVENTLOG, EXEC_EVENTLOG, INPUT, OUTPUT, PARTS, RESOURCE_SET, SIGNED_JOBSPEC
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.hookspecs.store import ArrayRow
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.job import Job

_KEYS = ("jobspec", RESOURCE_SET, EVENTLOG, SIGNED_JOBSPEC, EXEC_EVENTLOG, PARTS, OUTPUT, INPUT)
_LOGS = (EVENTLOG, EXEC_EVENTLOG, PARTS, OUTPUT, INPUT)
_PRIVILEGED = int(Role.OWNER | Role.ADMIN)

PIECE = 256 * 1024
"""About how many characters of a long log go into one response."""

_decode = msgspec.json.Decoder().decode


class JobInfo(Module):
    """Service `job-info`. Users see their own jobs, the owner and administrators see all."""

    engine: Engine

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen to what the job manager makes durable, and serve."""
        self.engine = engine = self.ctx.provider("job-manager").engine
        self._watches: dict[int, list[_Watch]] = {}
        engine.watchers.append(self._rows)
        engine.on_gone.append(self._gone)
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            engine.watchers.remove(self._rows)
            engine.on_gone.remove(self._gone)

    @method(allow=ANYONE)
    def lookup(self, request: Request) -> dict[str, Any]:
        """Return what is kept of a job: {id, keys} -> {key: value}.

        `jobspec` (updates included) and `R` come parsed, logs and `J` as text; what isn't there yet is
        null.
        """
        id = request.get("id", int)
        keys = request.get("keys", list)
        self._check_access(request, id)
        return {key: self._value(id, key) for key in keys}

    def _value(self, id: int, key: object) -> Any:
        store = self.engine.store
        if key == "jobspec":
            job = self.engine.jobs.get(id)
            if job is not None:
                from bourn.model.overrides import apply_overrides

                return apply_overrides(job.jobspec, job.overrides)
            array = self._array(id)
            return _decode(array.spec_json) if array is not None else self._final_jobspec(id)
        if key == RESOURCE_SET:
            text = store.log_last(id, RESOURCE_SET)
            return _decode(text) if text else None
        if key in _KEYS:
            return store.log_text(id, str(key))
        raise BournError(f"job-info: unknown key '{key}'{suggest(str(key), _KEYS)}", errno.ENOENT)

    def _array(self, id: int) -> ArrayRow | None:
        return next((row for row in self.engine.store.arrays() if row.id == id), None)

    def _final_jobspec(self, id: int) -> Any:
        """Return an inactive job's jobspec with the updates that its eventlog tells of."""
        from bourn.model.overrides import apply_overrides

        store = self.engine.store
        jobspec = store.jobspec(id) or {}
        for text in store.events(id):
            if '"jobspec-update"' in text:
                for line in text.rstrip("\n").split("\n"):
                    entry = _decode(line)
                    if entry["name"] == "jobspec-update":
                        jobspec = apply_overrides(jobspec, entry["context"])
        return jobspec

    @method(allow=ANYONE, streaming=True)
    async def eventlog_watch(self, request: Request) -> None:
        """Stream a log: {id, path="eventlog", follow=true} -> {event: text of one or more lines} ...

        Ends with ENODATA when the job is inactive and all has been sent; without `follow` after what there
        is.
        """
        id = request.get("id", int)
        path = request.get("path", str, EVENTLOG)
        follow = request.get("follow", bool, True)
        if path not in _LOGS:
            raise BournError(f"job-info: no log is named '{path}'{suggest(path, _LOGS)}", errno.ENOENT)
        self._check_access(request, id)
        watch = _Watch(request, path)
        # Attached at a moment when what is durable is exactly what watchers were told: nothing is missed or
        # doubled.
        self.engine.when_quiet(lambda: self._begin(watch, id, follow))
        try:
            await watch.begun.wait()
            await self._send_past(watch)
            await watch.ended.wait()
        finally:
            self._forget(watch, id)

    def _begin(self, watch: _Watch, id: int, follow: bool) -> None:
        watch.past = list(self.engine.store.events(id, watch.path))
        if follow and id in self.engine.jobs:
            self._watches.setdefault(id, []).append(watch)
        else:
            watch.ended.set()
        watch.begun.set()

    async def _send_past(self, watch: _Watch) -> None:
        """Send what there was, in pieces; what comes meanwhile follows it."""
        while watch.past:
            piece: list[str] = []
            size = 0
            while size < PIECE and len(piece) < len(watch.past):
                piece.append(watch.past[len(piece)])
                size += len(piece[-1])
            del watch.past[: len(piece)]
            watch.request.respond({"event": "".join(piece)})
            if watch.past:
                await watch.request.drained()
                await trio.lowlevel.checkpoint()
        watch.live = True

    def _rows(self, rows: Sequence[tuple[int, str, str]]) -> None:
        watches = self._watches
        if not watches:
            return
        for id, path, text in rows:
            if id in watches:
                for watch in watches[id]:
                    if watch.path == path:
                        watch.take(text)

    def _gone(self, job: Job) -> None:
        for watch in self._watches.pop(job.id, ()):
            watch.ended.set()

    def _forget(self, watch: _Watch, id: int) -> None:
        watches = self._watches.get(id)
        if watches and watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[id]

    def _check_access(self, request: Request, id: int) -> None:
        job = self.engine.jobs.get(id)
        row = job or self.engine.store.job(id) or self.engine.member(id) or self._array(id)
        if row is None:
            raise BournError(f"no such job {JobID(id)}", errno.ENOENT)
        if not request.rolemask & _PRIVILEGED and request.userid != row.userid:
            raise BournError(f"job {JobID(id)} belongs to another user", errno.EPERM)

    def stats(self) -> dict[str, object]:
        """Return how many logs are being watched."""
        return {"watchers": sum(map(len, self._watches.values())), "jobs": len(self._watches)}


class _Watch:
    """One request that follows a log."""

    def __init__(self, request: Request, path: str) -> None:
        self.request = request
        self.path = path
        self.past: list[str] = []
        self.live = False
        self.begun = trio.Event()
        self.ended = trio.Event()

    def take(self, text: str) -> None:
        """Pass new lines on, or put them behind those that are still being sent."""
        if self.live:
            self.request.respond({"event": text})
        else:
            self.past.append(text)
