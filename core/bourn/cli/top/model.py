"""What `bourn top` knows of an instance: answers and events in, rows out. No I/O, no terminal.

Active jobs are kept as records of the job-list service; events of the journal change them. A queue may be
far longer than a screen: of pending jobs only the first `PENDING_KEPT` are kept, of the others the number.
A job that is known by its events alone lacks its details until they are asked for: `wanted` says of which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.client.jobfields import annotation, attrs_of, username
from bourn.errors import BournError, suggest
from bourn.model.states import Result, State, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Record = dict[str, Any]

PENDING_KEPT = 2000
ENDED_KEPT = 1000
DETAILS_AT_ONCE = 200

_RUN, _CLEANUP, _INACTIVE = int(State.RUN), int(State.CLEANUP), int(State.INACTIVE)
_RUNNING = _RUN | _CLEANUP
_PENDING = int(State.PENDING) | int(State.NEW)
_OUTCOMES = {
    int(Result.COMPLETED): "completed",
    int(Result.FAILED): "failed",
    int(Result.CANCELED): "canceled",
    int(Result.TIMEOUT): "timeout",
}
COUNTS = ("pending", "running", *_OUTCOMES.values())


def _life(job: Record) -> tuple[Any, ...]:
    state = job["state"]
    if state & _RUNNING:
        return (0, -(job.get("t_run") or 0.0), -job["id"])
    if state == _INACTIVE:
        return (2, -(job.get("t_inactive") or 0.0), -job["id"])
    return (1, -(job.get("priority") or 0), job["id"])


SORTS: dict[str, Callable[[Record], Any]] = {
    "state": _life,
    "id": lambda job: job["id"],
    "user": username,
    "queue": lambda job: job.get("queue") or "",
    "name": lambda job: job.get("name") or "",
    "nodes": lambda job: -(job.get("nnodes") or 0),
    "tasks": lambda job: -(job.get("ntasks") or 0),
    "time": lambda job: job.get("t_run") or float("inf"),
}
"""Order of the list -> key: running jobs first, then pending ones by priority, then ended ones; the biggest
and the longest first.
"""


class JobFilter:
    """Which jobs are shown: `state=running user=alice queue=batch name=sim`; a bare word is a state or part
    of a name.
    """

    KEYS = ("state", "user", "queue", "name")

    def __init__(self, text: str = "", me: int = -1) -> None:
        self.text = " ".join(text.split())
        self.states = self.results = 0
        self._words: dict[str, str] = {}
        for word in text.split():
            key, equals, value = word.partition("=")
            if not equals:
                key, value = self._bare(word)
            if key not in self.KEYS:
                raise BournError(f"no filter '{key}'{suggest(key, self.KEYS)}")
            if key == "state":
                self.states, self.results = parse_filter(value)
            else:
                self._words[key] = username({"userid": me}) if (key, value) == ("user", "me") else value

    @staticmethod
    def _bare(word: str) -> tuple[str, str]:
        try:
            parse_filter(word)
        except BournError:
            return "name", word
        return "state", word

    @property
    def needs_details(self) -> bool:
        """Whether it asks for more than events tell."""
        return "queue" in self._words or "name" in self._words

    def wants(self, job: Record) -> bool:
        """Whether a job is shown; without a state in the filter active ones are."""
        state = job["state"]
        if not state & (self.states or ~_INACTIVE):
            return False
        if state == _INACTIVE and self.results and not (job.get("result") or 0) & self.results:
            return False
        words = self._words
        return (
            words.get("name", "") in (job.get("name") or "")
            and words.get("queue", job.get("queue")) == job.get("queue")
            and ("user" not in words or words["user"] in (username(job), str(job["userid"])))
        )


class TopModel:
    """The jobs, counts and resources of one instance, and which of them are shown in what order."""

    def __init__(self, me: int = -1) -> None:
        self.me = me
        self.jobs: dict[int, Record] = {}
        self.counts = dict.fromkeys(COUNTS, 0)
        self.resources: dict[str, tuple[int, int, int]] = {}
        """nodes, cores, gpus -> (used, up, all)."""
        self.info: dict[str, Any] = {}
        """What the instance says of itself: size, starttime, expiration, level, version."""
        self.filter = JobFilter()
        self.sort = "state"
        self.reverse = False
        self.cursor: int | None = None
        """The job that is chosen; it stays so wherever it moves in the list."""
        self.first = 0
        """Index of the first row that is shown."""
        self._ended: list[int] = []
        self._stale: set[int] = set()
        self._shown: list[Record] | None = None
        self._place = 0
        self._counted_until = -1.0

    # What comes in.

    def load(self, records: Iterable[Record], stats: Mapping[str, Any], t: float = -1.0) -> None:
        """Take what the instance knows, in place of what was known of it; `t` is when it was asked.

        The statistics have the members of arrays, too, that are no jobs of their own yet.
        """
        self._counted_until = t
        self.jobs = {record["id"]: record for record in records}
        ended = [job for job in self.jobs.values() if job["state"] == _INACTIVE]
        self._ended = [job["id"] for job in sorted(ended, key=lambda job: job.get("t_inactive") or 0.0)]
        states = stats["job_states"]
        self.counts = {
            "pending": states["depend"] + states["priority"] + states["sched"],
            "running": states["run"] + states["cleanup"],
            "completed": stats["successful"],
            **{name: stats[name] for name in ("failed", "canceled", "timeout")},
        }
        self._stale.clear()
        self._shown = None

    def details(self, records: Iterable[Record]) -> None:
        """Take the records that were `wanted`."""
        for record in records:
            id = record["id"]
            self._stale.discard(id)
            job = self.jobs.get(id)
            if job is not None:
                # The events may be ahead of the record, or it of them: counts go by events.
                record["state"] = job["state"]
                self.jobs[id] = {**job, **record}
        self._shown = None

    def forget(self, ids: Iterable[int]) -> None:
        """Drop jobs that the instance doesn't know any more."""
        for id in ids:
            self._stale.discard(id)
            self.jobs.pop(id, None)
        self._shown = None

    def event(self, id: int, entry: Mapping[str, Any]) -> None:
        """Take an event of the journal; one that the records have told of already changes nothing."""
        name, context, t = entry["name"], entry.get("context") or {}, entry["timestamp"]
        job = self.jobs.get(id)
        if name == "submit":
            if job is None:
                self.counts["pending"] += t > self._counted_until
                if len(self.jobs) < PENDING_KEPT:
                    self._add(id, State.DEPEND, t_submit=t, **context)
        elif name == "alloc":
            if job is None:  # one of those that were only counted
                job = self._add(id, State.SCHED)
            self._move(job, _RUN, "t_run", t)
        elif name == "clean":
            self._clean(id, job, t)
        elif job is not None:
            self._change(job, name, context, t)
        self._shown = None

    def _change(self, job: Record, name: str, context: Mapping[str, Any], t: float) -> None:
        if name == "priority":
            job["priority"] = context["priority"]
            self._move(job, int(State.SCHED), "t_depend", job.get("t_depend") or t)
        elif name == "depend":
            self._move(job, int(State.PRIORITY), "t_depend", t)
        elif name == "urgency":
            job["urgency"] = context["urgency"]
        elif name == "finish":
            job["waitstatus"] = context["status"]
            self._end(job, Result.FAILED if context["status"] else Result.COMPLETED, t)
        elif name == "exception" and context["severity"] == 0:
            kind = context["type"]
            if job["state"] < _CLEANUP:
                job |= {
                    "exception_type": kind,
                    "exception_severity": 0,
                    "exception_note": context.get("note"),
                }
            timeout = kind in ("timelimit", "timeout")
            result = Result.TIMEOUT if timeout else Result.CANCELED if kind == "cancel" else Result.FAILED
            self._end(job, result, t)
        elif name == "memo":
            notes = job.get("annotations") or {}
            job["annotations"] = {**notes, "user": {**(notes.get("user") or {}), **context}}
        elif name == "retry":
            self._again(job)
        elif name in ("dependency-add", "dependency-remove", "jobspec-update", "start"):
            self._stale.add(job["id"])

    def _add(self, id: int, state: State, **known: Any) -> Record:
        job: Record = {"id": id, "userid": -1, "state": int(state), **known}
        self.jobs[id] = job
        self._stale.add(id)
        return job

    def _end(self, job: Record, result: Result, t: float) -> None:
        if job["state"] < _CLEANUP:
            job["result"] = int(result)
            self._move(job, _CLEANUP, "t_cleanup", t)

    def _again(self, job: Record) -> None:
        """Take a job back: it failed, and is to run once more."""
        if job["state"] == _CLEANUP:
            for key in ("t_run", "t_cleanup", "result", "waitstatus", "nodelist", "ranks"):
                job.pop(key, None)
            self._count(_CLEANUP, -1)
            job["state"] = int(State.PRIORITY)
            self._count(job["state"], 1)
            self._stale.add(job["id"])

    def _move(self, job: Record, state: int, when: str, t: float) -> None:
        """Let a job go on to a state, unless it is there, or further, already."""
        before = job["state"]
        if state <= before:
            return
        job["state"] = state
        job[when] = t
        self._stale.add(job["id"])
        self._count(before, -1)
        self._count(state, 1)

    def _clean(self, id: int, job: Record | None, t: float) -> None:
        if job is None:
            # It was pending, and cancelled or refused there: only then isn't it known.
            self.counts["pending"] -= 1
            self.counts["canceled"] += 1
            return
        if job["state"] == _INACTIVE:
            return
        self._move(job, _INACTIVE, "t_inactive", t)
        self.counts[_OUTCOMES.get(job.get("result") or 0, "failed")] += 1
        self._ended.append(id)
        if len(self._ended) > ENDED_KEPT:
            self.forget([self._ended.pop(0)])

    def _count(self, state: int, change: int) -> None:
        if state != _INACTIVE:
            self.counts["running" if state & _RUNNING else "pending"] += change

    # What is shown.

    def rows(self) -> Sequence[Record]:
        """Return the records that are shown, in order."""
        if self._shown is None:
            key = SORTS[self.sort]
            shown = [job for job in self.jobs.values() if self.filter.wants(job)]
            shown.sort(key=_life)
            if self.sort != "state":
                shown.sort(key=key)
            if self.reverse:
                shown.reverse()
            self._shown = shown
        return self._shown

    @property
    def uncounted(self) -> int:
        """How many pending jobs there are beyond those that are kept."""
        kept = sum(1 for job in self.jobs.values() if job["state"] & _PENDING)
        return max(0, self.counts["pending"] - kept)

    @property
    def starved(self) -> bool:
        """Whether so many of the pending jobs that were kept have gone that the next ones must be read."""
        kept = sum(1 for job in self.jobs.values() if job["state"] & _PENDING)
        return self.uncounted > 0 and kept < PENDING_KEPT // 2

    def wanted(self) -> list[int]:
        """Return ids of jobs whose details lack, or are old: of those on the screen, or of all where sort or
        filter go by them.
        """
        if self._stale and (self.filter.needs_details or self.sort not in ("state", "id", "user", "time")):
            return sorted(self._stale)[:DETAILS_AT_ONCE]
        window = self.rows()[self.first : self.first + DETAILS_AT_ONCE]
        return [job["id"] for job in window if job["id"] in self._stale]

    def refresh(self) -> None:
        """Have the details of pending jobs read anew: why they wait changes without an event."""
        self._stale.update(job["id"] for job in self.jobs.values() if job["state"] & _PENDING)

    # What the user does.

    @property
    def place(self) -> int:
        """Index of the chosen row; where the chosen job has gone, of what stands there now."""
        rows = self.rows()
        if not rows:
            return 0
        if self.cursor is not None and not (
            self._place < len(rows) and rows[self._place]["id"] == self.cursor
        ):
            found = next((i for i, job in enumerate(rows) if job["id"] == self.cursor), None)
            self._place = self._place if found is None else found
        self._place = min(self._place, len(rows) - 1)
        return self._place

    @property
    def chosen(self) -> Record | None:
        """The record of the chosen row."""
        rows = self.rows()
        return rows[self.place] if rows else None

    def move(self, rows: int) -> None:
        """Choose another row, so many further down."""
        shown = self.rows()
        if shown:
            self._place = max(0, min(len(shown) - 1, self.place + rows))
            self.cursor = shown[self._place]["id"]

    def scroll(self, height: int) -> None:
        """Have the chosen row within a window of `height` rows."""
        place = self.place
        last = max(0, len(self.rows()) - height)
        self.first = max(place - height + 1, min(self.first, place, last), 0)

    def set_filter(self, text: str) -> None:
        """Show other jobs; BournError where the text means nothing."""
        self.filter = JobFilter(text, self.me)
        self._shown = None

    def set_sort(self, name: str, reverse: bool = False) -> None:
        """Sort by one of `SORTS`."""
        if name not in SORTS:
            raise BournError(f"can't sort by '{name}'{suggest(name, SORTS)}")
        self.sort, self.reverse = name, reverse
        self._shown = None


def instance_uri(job: Record) -> str:
    """Return the address of the instance that a running job is, "" for any other job."""
    return str(annotation(job, "user", "uri")) if job["state"] == _RUN else ""


ATTRS = attrs_of(
    [
        *("id.f58", "userid", "username", "name", "queue", "status_abbrev", "ntasks", "nnodes", "ncores"),
        *("contextual_time", "contextual_info", "priority", "urgency", "result", "t_submit", "t_inactive"),
        "annotations",
    ]
)
"""The attributes of a job that the list needs."""
