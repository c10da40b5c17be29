"""The journal stream: the events of all jobs as they become durable, after a backlog of what came before.

A consumer is attached at one moment; from then on live rows are kept for it until the backlog, read piece
by piece, has been sent. How many events each active job had at that moment says where its backlog ends and
its live part begins, so no event is missed or sent twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import trio
from attrs import define, field

from bourn.broker.module import Request, Role, method
from bourn.errors import BournError
from bourn.hookspecs.store import EVENTLOG, RESOURCE_SET
from bourn.model.states import State
from bourn_plugins.job_manager.base import EngineModule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bourn.hookspecs.store import Store

_decode = msgspec.json.Decoder().decode

CHUNK = 500
"""Rows, or jobs, in one piece of the backlog."""


@define(eq=False)
class Filter:
    """Which events a consumer wants: `allow` (None is all) without `deny`, later than `since` (epoch
    seconds)."""

    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    since: float = 0.0
    lean: bool = False
    """Whether jobspec and R are left out: reading them costs more than the events."""

    @classmethod
    def from_request(cls, request: Request) -> Filter:
        """Read {allow?, deny?, since?, lean?}."""
        return cls(
            _names(request, "allow"),
            _names(request, "deny") or frozenset(),
            request.get("since", float, 0.0),
            request.get("lean", bool, False),
        )

    def wants(self, entry: dict[str, Any]) -> bool:
        """Say whether an event passes."""
        name = entry["name"]
        if name in self.deny or (self.allow is not None and name not in self.allow):
            return False
        return bool(entry["timestamp"] > self.since)


@define(eq=False)
class Consumer:
    """One reader of the stream.

    `send` takes lists of {id, eventlog_seq, entry, jobspec? (submit), R? (alloc)}; `base` has, for each
    job that was active when the consumer came, how many events it had.
    """

    send: Callable[[list[dict[str, Any]]], None]
    filter: Filter
    store: Store
    base: dict[int, int]
    live_ids: set[int] = field(factory=set)
    """Jobs with live rows, of which those without a base are new since the consumer came."""
    kept: list[tuple[int, str, str]] | None = field(factory=list)
    """Live rows that wait for the backlog; None when it has been sent."""
    _behind: dict[int, int] = field(factory=dict)
    _ahead: dict[int, int] = field(factory=dict)
    _allocations: dict[int, int] = field(factory=dict)
    """How many each job has had in the backlog so far."""

    def rows(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Take live rows."""
        if self.kept is not None:
            news = [row for row in rows if row[1] == EVENTLOG]
            self.live_ids.update(row[0] for row in news)
            self.kept += news
            return
        events: list[dict[str, Any]] = []
        for id, name, text in rows:
            if name == EVENTLOG:
                self._take(events, self._ahead, id, text, None)
        if events:
            self.send(events)

    def backlog(self, rows: Iterable[tuple[int, str, str]], is_new: Callable[[int], bool]) -> None:
        """Take rows of the backlog; those of jobs that are new come live."""
        events: list[dict[str, Any]] = []
        for id, name, text in rows:
            end = self.base.get(id)
            if name == EVENTLOG and (end is not None or not (id in self.live_ids or is_new(id))):
                self._take(events, self._behind, id, text, end)
        if events:
            self.send(events)

    def go_live(self) -> None:
        """Send the rows that were kept; from now on rows are sent as they come."""
        rows, self.kept = self.kept or [], None
        self._ahead = self.base
        self.base = {}
        self._behind.clear()
        self._allocations.clear()
        self.live_ids.clear()
        self.rows(rows)

    def _take(
        self, events: list[dict[str, Any]], counts: dict[int, int], id: int, text: str, end: int | None
    ) -> None:
        number = counts.get(id, 0)
        ended = False
        for line in text.rstrip("\n").split("\n"):
            if number == end:
                break
            entry = _decode(line)
            if self.filter.wants(entry):
                events.append(self._event(id, number, entry))
            number += 1
            ended = entry["name"] == "clean"
        if ended:
            counts.pop(id, None)
            self._allocations.pop(id, None)
        else:
            counts[id] = number

    def _event(self, id: int, number: int, entry: dict[str, Any]) -> dict[str, Any]:
        event = {"id": id, "eventlog_seq": number, "entry": entry}
        if self.filter.lean:
            return event
        if entry["name"] == "submit":
            event["jobspec"] = self.store.jobspec(id)
        elif entry["name"] == "alloc":
            text = self.store.log_last(id, RESOURCE_SET) if self.kept is None else self._past(id)
            event["R"] = _decode(text) if text else None
        return event

    def _past(self, id: int) -> str | None:
        """Return the R that belongs to a job's next allocation in the backlog: each attempt has its own."""
        attempt = self._allocations.get(id, 0)
        self._allocations[id] = attempt + 1
        lines = (self.store.log_text(id, RESOURCE_SET) or "").splitlines()
        return lines[attempt] if attempt < len(lines) else None


class JournalMethods(EngineModule):
    """The part of the service that streams events."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._consumers: list[Consumer] = []

    @property
    def consumers(self) -> int:
        """How many there are."""
        return len(self._consumers)

    def journal_rows(self, rows: Sequence[tuple[int, str, str]]) -> None:
        """Take rows that are durable now."""
        for consumer in list(self._consumers):
            consumer.rows(rows)

    @method(allow=Role.OWNER | Role.ADMIN, streaming=True)
    async def journal(self, request: Request) -> None:
        """Stream events: {full?, live?, since?, allow?, deny?, lean?} -> {events: [...]} ...

        An event is {id, eventlog_seq, entry, jobspec? (submit), R? (alloc)}.

        First the events of active jobs so far (`full`: of inactive ones too; `live`: none), then {sentinel:
        true}, then each event once it is durable. A job's events come in order.
        """
        wanted = Filter.from_request(request)
        full = request.get("full", bool, False)
        live = request.get("live", bool, False)
        store = self.engine.store
        consumer = Consumer(lambda events: request.respond({"events": events}), wanted, store, {})
        attached = trio.Event()

        def attach() -> None:
            # Here what is durable is what watchers were told: events whose lines are in no batch yet come
            # live.
            consumer.base = {
                job.id: job.events - job.text.count("\n")
                for job in self.engine.jobs.values()
                if job.state is not State.INACTIVE or job.text
            }
            self._consumers.append(consumer)
            attached.set()

        self.engine.when_quiet(attach)
        await attached.wait()
        try:
            if full:
                await self._full_backlog(request, consumer)
            elif not live:
                await self._active_backlog(request, consumer)
            request.respond({"sentinel": True})
            consumer.go_live()
            await trio.sleep_forever()
        finally:
            self._consumers.remove(consumer)

    async def _active_backlog(self, request: Request, consumer: Consumer) -> None:
        ids = sorted(consumer.base)
        store = self.engine.store
        for start in range(0, len(ids), CHUNK):
            consumer.backlog(
                ((id, EVENTLOG, "".join(store.events(id))) for id in ids[start : start + CHUNK]),
                lambda id: False,
            )
            await request.drained()
            await trio.lowlevel.checkpoint()

    async def _full_backlog(self, request: Request, consumer: Consumer) -> None:
        store = self.engine.store
        jobs = self.engine.jobs
        seq = 0
        while rows := list(store.journal(seq, CHUNK)):
            consumer.backlog(((row.jobid, row.name, row.data) for row in rows), jobs.__contains__)
            seq = rows[-1].seq
            await request.drained()
            await trio.lowlevel.checkpoint()


def _names(request: Request, key: str) -> frozenset[str] | None:
    value = request.get(key, list, None)
    if value is None:
        return None
    if not all(isinstance(name, str) for name in value):
        raise BournError(f"journal: '{key}' must be a list of names of events")
    return frozenset(value)
