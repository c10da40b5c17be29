"""The module job-info: what is kept of a job, and its logs as they grow."""

from __future__ import annotations

import errno
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.broker.module import ANYONE, LATER, Module, Request, Role, method
from bourn.errors import BournError, suggest
from bourn.hookspecs.store import EVENTLOG, EXEC_EVENTLOG, INPUT, OUTPUT, PARTS, RESOURCE_SET, SIGNED_JOBSPEC
from bourn.model.interned import INTERNED
from bourn.model.jobid import JobID
from bourn_plugins.job_manager.engine import is_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bourn.broker.request import Later
    from bourn.hookspecs.store import ArrayRow, Store
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.job import Job

_KEYS = ("jobspec", RESOURCE_SET, EVENTLOG, SIGNED_JOBSPEC, EXEC_EVENTLOG, PARTS, OUTPUT, INPUT)
_LOGS = (EVENTLOG, EXEC_EVENTLOG, PARTS, OUTPUT, INPUT)
_PRIVILEGED = int(Role.OWNER | Role.ADMIN)

PIECE = 256 * 1024
"""About how many characters of a long log go into one response."""
LONGEST = 8 << 20
"""Characters of a log that `lookup` returns in one response: as JSON at most six times that."""

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
    def lookup(self, request: Request) -> dict[str, Any] | Later:
        """Return what is kept of a job: {id, keys} -> {key: value}.

        `jobspec` (updates included) and `R` come parsed, logs and `J` as text; what isn't there yet is
        null. A log that is too long for one response is refused with EFBIG: `eventlog_watch` streams it.
        """
        id = request.get("id", int)
        keys = request.get("keys", list)
        self._check_access(request, id)
        found = {key: self._value(id, key) for key in keys}
        if found.get(EVENTLOG, "") is None and id in self.engine.jobs:
            # A member of an array that has just become a job: its events are written in this turn.
            self.engine.when_committed(
                lambda: request.respond({key: self._value(id, key) for key in keys}),
                lambda error: request.error(error.errnum, error.message),
            )
            return LATER
        return found

    def _value(self, id: int, key: object) -> Any:
        store = self.engine.store
        if key == "jobspec":
            job = self.engine.jobs.get(id)
            if job is not None:
                from bourn.model.overrides import apply_overrides

                return apply_overrides(job.jobspec, job.overrides)
            array = self._array(id)
            if array is not None:
                return INTERNED.intern_row(array.spec_json, array.environment).obj
            return self._final_jobspec(id)
        if key == RESOURCE_SET:
            text = store.log_last(id, RESOURCE_SET)
            return _decode(text) if text else None
        if key in _KEYS:
            return self._log(id, str(key))
        raise BournError(f"job-info: unknown key '{key}'{suggest(str(key), _KEYS)}", errno.ENOENT)

    def _log(self, id: int, key: str) -> str | None:
        texts, size = [], 0
        for text in self.engine.store.events(id, key):
            texts.append(text)
            size += len(text)
            if size > LONGEST:
                reason = "is too long for one answer; job-info.eventlog-watch sends it in pieces"
                raise BournError(f"'{key}' of job {JobID(id)} {reason}", errno.EFBIG)
        return "".join(texts) or None

    def _array(self, id: int) -> ArrayRow | None:
        return self.engine.store.array(id)

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
        array = self._array(id)
        if array is not None:
            raise BournError(is_array(array))
        watch = _Watch(self.engine.store, request, id, path)
        # Attached at a moment when what is durable is exactly what watchers were told: nothing is missed or
        # doubled.
        self.engine.when_quiet(lambda: self._begin(watch, follow))
        try:
            await watch.run()
        finally:
            self._forget(watch)

    def _begin(self, watch: _Watch, follow: bool) -> None:
        if follow and watch.id in self.engine.jobs:
            self._watches.setdefault(watch.id, []).append(watch)
        else:
            watch.ended = True
        watch.begin()

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
            watch.end()

    def _forget(self, watch: _Watch) -> None:
        watches = self._watches.get(watch.id)
        if watches and watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[watch.id]

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
    """One request that follows a log.

    It is sent new rows as they come for as long as it takes them; one that is behind is sent what it lacks
    from the store, where all of it is, at its own pace.
    """

    def __init__(self, store: Store, request: Request, id: int, path: str) -> None:
        self.id = id
        self.path = path
        self.ended = False
        """Whether no more rows will come."""
        self._store = store
        self._request = request
        self._rows = 0
        """How many there are, as far as we were told: the store may have later ones already."""
        self._sent = 0
        self._live = False
        self._news = trio.Event()

    def begin(self) -> None:
        """Start from what there is."""
        self._rows = self._store.log_rows(self.id, self.path)
        self._news.set()

    def take(self, text: str) -> None:
        """Take a new row."""
        self._rows += 1
        if self._live:
            self._sent += 1
            self._request.respond({"event": text})
            if self._request.behind:
                self._live = False
                self._news.set()

    def end(self) -> None:
        """The last row has come."""
        self.ended = True
        self._news.set()

    async def run(self) -> None:
        """Send all rows there are and come."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            await self._request.drained()
            while self._sent < self._rows:
                self._send_piece()
                await self._request.drained()
                await trio.lowlevel.checkpoint()
            if self.ended:
                return
            self._live = True

    def _send_piece(self) -> None:
        self._live = False
        piece: list[str] = []
        size = 0
        for text in islice(self._store.events(self.id, self.path, self._sent), self._rows - self._sent):
            piece.append(text)
            size += len(text)
            if size >= PIECE:
                break
        if not piece:
            self._sent = self._rows  # the job was purged meanwhile
            return
        self._sent += len(piece)
        self._request.respond({"event": "".join(piece)})
