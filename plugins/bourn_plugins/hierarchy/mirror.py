"""A child's end of the hierarchy: what becomes of the jobs that its parent gave it, as reports. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.hookspecs.store import EVENTLOG, RESOURCE_SET, SIGNED_JOBSPEC

if TYPE_CHECKING:
    from collections.abc import Iterable

Report = dict[str, Any]
"""`seq`, and some of `alloc` [[id, time, R]], `events` [[id, name, context, time]], `over` [[id, time, type
of the exception that ended the job or "", note]], `deny` [[id, reason]], `logs` [[id, log, lines]]."""


class _Line(msgspec.Struct, gc=False):
    timestamp: float
    name: str
    context: dict[str, Any] = {}


_lines = msgspec.json.Decoder(_Line).decode_lines


class Mirrored:
    """One job of the parent."""

    __slots__ = ("R", "kind", "note")

    def __init__(self) -> None:
        self.R = msgspec.Raw()
        self.kind = ""
        self.note = ""


class Mirror:
    """The parent's jobs here, and the reports that it hasn't said are durable with it."""

    def __init__(self) -> None:
        self.jobs: dict[int, Mirrored] = {}
        self._seq = 0
        self._report: Report = {}
        self._unsure: deque[Report] = deque()

    def add(self, id: int) -> bool:
        """Take a job; False if it is there already."""
        if id in self.jobs:
            return False
        self.jobs[id] = Mirrored()
        return True

    def deny(self, id: int, reason: str) -> None:
        """Note that a job can't be accepted here."""
        if self.jobs.pop(id, None) is not None:
            self._report.setdefault("deny", []).append([id, reason])

    def rows(self, rows: Iterable[tuple[int, str, str]]) -> bool:
        """Take new rows of the journal; return whether there is something to report."""
        jobs, report = self.jobs, self._report
        for id, name, text in rows:
            job = jobs.get(id)
            if job is None:
                continue
            if name == EVENTLOG:
                self._events(id, job, text)
            elif name == RESOURCE_SET:
                job.R = msgspec.Raw(text.encode())
            elif name != SIGNED_JOBSPEC:
                report.setdefault("logs", []).append((id, name, text))
        return bool(report)

    def collect(self) -> Report | None:
        """Return what there is to report since the last time; it is kept until it's acknowledged."""
        if not self._report:
            return None
        self._seq += 1
        report, self._report = {"seq": self._seq, **self._report}, {}
        self._unsure.append(report)
        return report

    def acknowledge(self, seq: int) -> None:
        """Forget the reports up to this one."""
        while self._unsure and self._unsure[0]["seq"] <= seq:
            self._unsure.popleft()

    def again(self, seen: int) -> list[Report]:
        """Return the reports that the parent hasn't seen."""
        self.acknowledge(seen)
        return list(self._unsure)

    def have(self) -> list[int]:
        """Return the jobs of which the parent will hear more."""
        ids = set(self.jobs)
        for report in (*self._unsure, self._report):
            ids.update(item[0] for key in ("alloc", "over", "deny") for item in report.get(key, ()))
        return sorted(ids)

    def _events(self, id: int, job: Mirrored, text: str) -> None:
        report = self._report
        for line in _lines(text):
            name = line.name
            if name in ("start", "finish", "memo"):
                report.setdefault("events", []).append((id, name, line.context, line.timestamp))
            elif name == "alloc":
                report.setdefault("alloc", []).append((id, line.timestamp, job.R))
            elif name in ("clean", "invalidate"):
                report.setdefault("over", []).append((id, line.timestamp, job.kind, job.note))
                self.jobs.pop(id, None)
            elif name == "exception":
                context = line.context
                if context["severity"] == 0 and not job.kind:
                    job.kind, job.note = context["type"], context.get("note", "")
                report.setdefault("events", []).append((id, name, context, line.timestamp))
