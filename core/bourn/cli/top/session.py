"""What `bourn top` asks an instance for: the journal tells of every change; what it can't tell is asked for
after something has happened, and never more often than the answers allow.

A user who may not read the journal gets the same picture every few seconds instead.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

from bourn.cli.eventprint import EventPrinter
from bourn.cli.top.model import ATTRS, ENDED_KEPT, PENDING_KEPT, TopModel
from bourn.client.events import entries
from bourn.client.handle import Handle
from bourn.errors import BournError
from bourn.model.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.cli.top.app import Job
    from bourn.cli.top.model import Record
    from bourn.client.rpc import Future
    from bourn.model.jobid import JobID

STREAMS = ("job-manager.journal", "job-list.list", "job-info.eventlog-watch")
QUIET = 1.0
"""Seconds without an event after which the counts are compared with the instance's."""
BUSY = 3.0
"""Seconds after which they are compared though events go on."""
BLIND = 2.0
"""Seconds between two pictures without the journal."""
SLACK = 20.0
"""An answer that took a second isn't asked for again within so many."""
LISTS: tuple[tuple[list[int], int], ...] = (
    ([int(State.RUN) | int(State.CLEANUP)], 0),
    ([int(State.PENDING)], PENDING_KEPT),
    ([int(State.INACTIVE)], ENDED_KEPT // 10),
)
"""States, and how many jobs of them are read."""


class Session:
    """A connection to one instance that keeps a model up to date; `pump` takes in what has arrived."""

    def __init__(self, uri: str | None, model: TopModel | None = None) -> None:
        self.h = Handle(uri)
        self.model = model or TopModel(os.getuid())
        self.ended: str = ""
        """Why there is nothing more to come."""
        self._open: list[tuple[Future, Callable[[Any], object], Callable[[BournError], object]]] = []
        self._picture: list[Record] = []
        self._lists = 0
        self._loading = False
        self._blind = False
        self._dirty = True
        self._used = True
        self._asked: set[int] = set()
        self._last_event = 0.0
        self._last_load = 0.0
        self._began = 0.0
        self._asked_stats = 0.0
        self._next_resources = 0.0
        self._logs: list[Future] = []
        self._ask("broker.uptime", None, self.model.info.update)
        self._ask("job-manager.journal", {"live": True, "lean": True}, self._events, self._no_journal)

    def close(self) -> None:
        """Hang up."""
        self.h.close()

    # Asking and hearing.

    def _ask(
        self,
        topic: str,
        payload: object,
        heard: Callable[[Any], object],
        failed: Callable[[BournError], object] = lambda error: None,
    ) -> Future | None:
        """Send a request; a connection that is lost is noted in `ended`."""
        try:
            future = self.h.rpc(topic, payload, streaming=topic in STREAMS)
        except BournError as error:
            self.ended = self.ended or error.message
            return None
        self._open.append((future, heard, failed))
        return future

    def pump(self) -> bool:
        """Handle all answers that have arrived; return whether there were any."""
        news = False
        for entry in list(self._open):
            future, heard, failed = entry
            while future.is_ready():
                news = True
                try:
                    value = future.get()
                except BournError as error:
                    self._open.remove(entry)
                    if error.errnum in (errno.ECONNRESET, errno.EBADF):
                        self.ended = self.ended or error.message
                    failed(error)
                    break
                heard(value)
                if not future.streaming:
                    self._open.remove(entry)
                    break
                future.reset()
        return news

    def _events(self, reply: dict[str, Any]) -> None:
        if reply.get("sentinel"):
            self._load()
            return
        for event in reply["events"]:
            entry = event["entry"]
            self.model.event(event["id"], entry)
            self._used = self._used or entry["name"] in ("alloc", "free")
        self._last_event = time.monotonic()
        self._dirty = True

    def _no_journal(self, error: BournError) -> None:
        if self.ended:
            return
        self._blind = True
        self._load()

    # Pictures of all.

    def _load(self) -> None:
        """Ask for the lists and the statistics."""
        if self._loading:
            return
        self._loading, self._dirty = True, False
        self._picture, self._lists = [], len(LISTS)
        self._began = time.monotonic()
        for states, limit in LISTS:
            request = {"attrs": ATTRS, "max_entries": limit, "constraint": {"states": states}}
            self._ask("job-list.list", request, self._listed, self._list_ended)

    def _listed(self, reply: dict[str, Any]) -> None:
        self._picture += reply["jobs"]

    def _list_ended(self, error: BournError) -> None:
        self._lists -= 1
        if not self._lists:
            self._asked_stats = time.time()
            self._ask("job-list.stats", None, self._loaded, self._not_loaded)

    def _loaded(self, stats: dict[str, Any]) -> None:
        self.model.load(self._picture, stats, self._asked_stats)
        self._picture = []
        self._loading = False
        now = time.monotonic()
        self._last_load = now + SLACK * (now - self._began)

    def _not_loaded(self, error: BournError) -> None:
        self._loading = False

    @property
    def loaded(self) -> bool:
        """Whether the first picture, with its resources, is complete."""
        return bool(self._last_load and self.model.resources)

    # What is due.

    def work(self) -> float | None:
        """Ask for what is due; return the seconds until more will be, None if only events bring more."""
        now = time.monotonic()
        if not self._last_load:
            self._ask_resources(now)
            return None
        due: list[float] = []
        if self._blind:
            due.append(self._last_load + BLIND)
        elif self._dirty:
            due.append(max(self._last_load, min(self._last_event + QUIET, self._last_load + BUSY)))
        if self._dirty and self.model.starved:
            due.append(self._last_load)
        if due and min(due) <= now:
            self._load()
            self._used = self._used or self._blind
            due = []
        wanted = [id for id in self.model.wanted() if id not in self._asked]
        if wanted:
            self._asked.update(wanted)
            self._ask_details(wanted)
        if self._used:
            self._ask_resources(now)
            due.append(self._next_resources)
        return max(0.01, min(due) - now) if due else None

    def _ask_details(self, ids: list[int]) -> None:
        """Ask for records; where one of the jobs is gone the others are asked for one by one."""

        def failed(error: BournError) -> None:
            if len(ids) > 1:
                for id in ids:
                    self._ask_details([id])
            else:
                self._asked.difference_update(ids)
                self.model.forget(ids)

        def heard(reply: dict[str, Any]) -> None:
            self._asked.difference_update(ids)
            self.model.details(reply["jobs"])

        self._ask("job-list.list-id", {"ids": ids, "attrs": ATTRS}, heard, failed)

    def _ask_resources(self, now: float) -> None:
        if now < self._next_resources:
            return
        self._used = False
        self._next_resources = now + 3600.0  # until it is answered

        def heard(status: dict[str, Any]) -> None:
            self._next_resources = time.monotonic() + max(QUIET, SLACK * (time.monotonic() - now))
            self.model.resources = gauges(status)
            self.model.info["expiration"] = ((status.get("all") or {}).get("execution") or {}).get(
                "expiration"
            )

        def failed(error: BournError) -> None:
            self._next_resources = time.monotonic() + BLIND
            self._used = True
            self.model.resources = self.model.resources or {"nodes": (0, 0, 0)}

        self._ask("sched.resource-status", None, heard, failed)

    # One job.

    def open(self, job: Job) -> None:
        """Follow the job of a page."""
        self.shut()
        id = job.record["id"]
        printer = EventPrinter(time_format="offset")

        def event(lines: Iterable[dict[str, Any]]) -> None:
            for line in lines:
                job.add(job.events, printer.line(line))

        def output(lines: Iterable[dict[str, Any]]) -> None:
            for line in lines:
                context = line.get("context") or {}
                if line["name"] == "data" and "encoding" not in context:
                    for text in str(context.get("data", "")).splitlines():
                        job.add(job.output, text)

        def known(reply: dict[str, Any]) -> None:
            self.model.details([reply["job"]])
            job.record = {**job.record, **reply["job"]}

        self._follow(id, "eventlog", event)
        self._follow(id, "guest.output", output)
        self._ask("job-list.list-id", {"id": id, "attrs": ["all"]}, known)

    def _follow(self, id: int, path: str, heard: Callable[[list[dict[str, Any]]], None]) -> None:
        request = {"id": id, "path": path, "follow": True}
        future = self._ask("job-info.eventlog-watch", request, lambda reply: heard(entries(reply)))
        if future is not None:
            self._logs.append(future)

    def shut(self) -> None:
        """Follow no job any more."""
        for future in self._logs:
            if future.error is None and not self.ended:
                future.cancel()
        self._logs.clear()

    def cancel(self, id: JobID, told: Callable[[str], object]) -> None:
        """Cancel a job; `told` is called with what went wrong, or "" ."""
        request = {"ids": [int(id)], "type": "cancel", "severity": 0, "note": "from bourn top"}
        self._ask("job-manager.raise", request, lambda _: told(""), lambda error: told(error.message))


def gauges(status: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Return kind -> (used, up, all) of what the scheduler tells of its resources."""
    from bourn.client.resource import ResourceListing

    listing = ResourceListing(status)
    return {
        kind: tuple(getattr(each, f"n{kind}") for each in (listing.allocated, listing.up, listing.all))
        for kind in ("nodes", "cores", "gpus")
    }


def snapshot(uri: str | None, model: TopModel) -> None:
    """Fill a model with an instance as it is now; BournError where it won't tell."""
    session = Session(uri, model)
    with session.h:
        while True:
            session.work()
            session.pump()
            if session.ended:
                raise BournError(session.ended, errno.ECONNRESET)
            if session.loaded and not model.wanted():
                return
            session.h.poll(None)
