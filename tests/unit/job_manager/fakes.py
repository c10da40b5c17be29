"""A store, a scheduler, an executor and a loop that a test turns by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.config import Config
from bourn.hookspecs.exec_method import ExecEvent
from bourn.model.interned import INTERNED, IngestedJob
from bourn_plugins.job_manager.actions import Actions, Host
from bourn_plugins.job_manager.engine import Engine
from bourn_plugins.job_manager.hooks import Hooks
from bourn_plugins.job_manager.intake import Intake
from bourn_plugins.job_manager.queues import Queues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bourn.errors import BournError
    from bourn.hookspecs.exec_method import StartRequest
    from bourn.hookspecs.sched import AllocRequest, FreeRequest
    from bourn.hookspecs.store import ArrayRow, Batch, NewJob

R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0", "children": {"core": "0-3"}}],
        "nodelist": ["node0"],
        "starttime": 1000.0,
        "expiration": 4600.0,
    },
}


class FakeStore:
    """Commits when told; can be full."""

    def __init__(self, keep: bool = True) -> None:
        self.keep = keep
        self.pending: list[tuple[Batch, Callable[[BournError | None], None] | None]] = []
        self.rows: dict[int, NewJob] = {}
        self.logs: list[tuple[int, str, str]] = []
        self.done: dict[int, Any] = {}
        self.metas: dict[str, Any] = {}
        self.purged: list[int] = []
        self.error: BournError | None = None
        self.updates: list[Any] = []
        self.array_rows: dict[int, ArrayRow] = {}

    def write(self, batch: Batch, done: Callable[[BournError | None], None] | None = None) -> None:
        self.pending.append((batch, done))

    def commit_all(self) -> bool:
        pending, self.pending = self.pending, []
        for batch, done in pending:
            if self.error is None and self.keep:
                self.rows.update((row.id, row) for row in batch.jobs)
                self.logs += batch.logs
                self.done.update((row.id, row) for row in batch.done)
                self.metas.update(batch.meta)
                self.updates += batch.updates
                self.array_rows.update((row.id, row) for row in batch.arrays)
                for id, columns in batch.array_updates:
                    self.array_rows[id] = self.array_rows[id]._replace(**columns)
                for id in batch.purge:
                    self.purged.append(id)
                    self.done.pop(id, None)
                    self.rows.pop(id, None)
            if done:
                done(self.error)
        return bool(pending)

    def job(self, id: int) -> NewJob | None:
        return self.rows.get(id)

    def inactive_job(self, id: int) -> Any:
        return self.done.get(id)

    def jobspec(self, id: int) -> Any:
        return json.loads(self.rows[id].spec_json) if id in self.rows else None

    def events(self, id: int, log: str = "eventlog", skip: int = 0) -> Iterator[str]:
        rows = [text for jobid, name, text in self.logs if (jobid, name) == (id, log)]
        return iter(rows[skip:])

    def log_rows(self, id: int, log: str) -> int:
        return len(list(self.events(id, log)))

    def log_text(self, id: int, log: str) -> str | None:
        rows = list(self.events(id, log))
        return (rows[-1] if log == "R" else "".join(rows)) if rows else None

    def active_jobs(self) -> Iterator[NewJob]:
        return (row for id, row in sorted(self.rows.items()) if id not in self.done)

    def active_events(self, log: str = "eventlog") -> Iterator[tuple[int, str]]:
        return ((id, text) for id, name, text in self.logs if name == log and id not in self.done)

    def meta(self, key: str) -> Any:
        return self.metas.get(key)

    def max_jobid(self) -> int:
        return max(self.rows, default=0)

    def arrays(self, *, active: bool | None = None) -> list[ArrayRow]:
        rows = self.array_rows.values()
        return [row for row in rows if active is None or active is (row.t_inactive == 0)]

    def array(self, id: int) -> ArrayRow | None:
        return self.array_rows.get(id)

    def array_jobs(self, array: int, last: int) -> list[int]:
        return sorted(id for id in self.rows if array < id <= last)

    def array_results(self, array: int, last: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for id, row in self.done.items():
            if array < id <= last:
                found[row.result] = found.get(row.result, 0) + 1
        return found

    def job_stats(self) -> list[Any]:
        return []

    def eventlog(self, id: int) -> list[tuple[str, dict[str, Any]]]:
        entries = [json.loads(line) for line in "".join(self.events(id)).split("\n")[:-1]]
        return [(entry["name"], entry.get("context", {})) for entry in entries]

    def names(self, id: int) -> str:
        return " ".join(name for name, _ in self.eventlog(id))


class FakeSched:
    """Notes what it is asked; grants everything if `greedy`."""

    def __init__(self, client: Any, greedy: bool = True) -> None:
        self.client = client
        self.greedy = greedy
        self.asked: dict[int, AllocRequest] = {}
        self.order: list[int] = []
        self.freed: list[int] = []
        self.cancelled: list[int] = []
        self.priorities: list[tuple[int, int]] = []
        self.refuse_expiration: str | None = None

    def attach(self) -> list[Any]:
        jobs = self.client.sched_hello(self)
        self.client.sched_ready(self)
        return list(jobs)

    def alloc(self, jobs: Sequence[AllocRequest]) -> None:
        for job in jobs:
            assert job.id not in self.asked
            self.asked[job.id] = job
            self.order.append(job.id)
        if self.greedy:
            self.grant(*[job.id for job in jobs])

    def grant(self, *ids: int) -> None:
        for id in ids:
            del self.asked[id]
        self.client.alloc_success([(id, R, None) for id in ids])

    def free(self, jobs: Sequence[FreeRequest]) -> None:
        self.freed += [job.id for job in jobs]

    def cancel(self, ids: Sequence[int]) -> None:
        self.cancelled += ids
        known = [id for id in ids if self.asked.pop(id, None)]
        self.client.alloc_cancelled(known)

    def prioritize(self, jobs: Sequence[tuple[int, int]]) -> None:
        self.priorities += jobs

    def expiration(self, id: int, t: float) -> str | None:
        return self.refuse_expiration

    def feasibility(self, jobspec: dict[str, Any]) -> str | None:
        return None


class FakeExec:
    """Notes what it is asked; finishes everything at once if `instant`."""

    def __init__(self, instant: bool = True) -> None:
        self.instant = instant
        self.client: Any = None
        self.now: Callable[[], float] = lambda: 1.0
        self.started: dict[int, StartRequest] = {}
        self.hello: list[tuple[int, bool]] = []
        self.killed: list[tuple[int, int]] = []
        self.cancelled: list[int] = []
        self.expirations: list[tuple[int, float]] = []

    def exec_hello(self, client: Any, running: Sequence[tuple[StartRequest, bool]]) -> None:
        self.client = client
        self.hello = [(request.id, started) for request, started in running]
        self.started.update((request.id, request) for request, _ in running)

    def start(self, jobs: Sequence[StartRequest]) -> None:
        self.started.update((job.id, job) for job in jobs)
        if self.instant:
            self.run(*[job.id for job in jobs])
            self.finish(*[job.id for job in jobs])

    def run(self, *ids: int) -> None:
        t = self.now()
        self.client.exec_report([ExecEvent(id, "start", {}, t) for id in ids], [])

    def finish(self, *ids: int, status: int = 0, before: Sequence[ExecEvent] = ()) -> None:
        t = self.now()
        events = list(before)
        for id in ids:
            self.started.pop(id, None)
            events.append(ExecEvent(id, "finish", {"status": status}, t))
            events.append(ExecEvent(id, "release", {"ranks": "all", "final": True}, t))
        self.client.exec_report(events, [])

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        self.killed += jobs

    def cancel(self, ids: Sequence[int]) -> None:
        self.cancelled += ids
        if self.instant:
            self.finish(*ids, status=15)

    def expiration(self, id: int, t: float) -> None:
        self.expirations.append((id, t))


class Rig:
    """An engine with everything around it faked. `settle` turns the loop until nothing is left to do."""

    def __init__(
        self,
        config: dict[str, Any] | None = None,
        plugins: Sequence[Any] = (),
        store: FakeStore | None = None,
        sched: bool = True,
        greedy: bool = True,
        instant: bool = True,
    ) -> None:
        self.t = 1000.0
        self.config = Config(config or {})
        self.store = store or FakeStore()
        self.soon: dict[Callable[[], None], None] = {}
        queues = Queues(self.config)
        self.engine = Engine(
            self.store,  # type: ignore[arg-type]
            Hooks(),
            queues,
            lambda: self.t,
            lambda callback: self.soon.setdefault(callback),
        )
        self.actions = Actions(self.engine, lambda: None)
        self.intake = Intake(self.engine)
        self.exec = FakeExec(instant)
        self.exec.now = lambda: self.t
        self.engine.exec.attach(self.exec)  # type: ignore[arg-type]
        self.sched = FakeSched(self.engine.sched, greedy)
        host = Host(self.engine, self.actions, self.config, None)
        for plugin in plugins:
            self.engine.hooks.add(plugin, "test 1.0", host)  # type: ignore[arg-type]
        if sched:
            self.sched.attach()
        self.errors: list[BournError | None] = []
        self._next = 0

    def turn(self) -> None:
        """Run what was put off to the end of the turn, and what that puts off to the next."""
        while self.soon:
            callbacks, self.soon = self.soon, {}
            for callback in callbacks:
                callback()

    def settle(self) -> None:
        """Turn and commit until all is quiet; a store that can't be written is asked once."""
        for _ in range(10_000):
            self.turn()
            if not self.store.commit_all() and not self.soon:
                return
            if self.engine.stuck is not None and not self.soon:
                return
        raise AssertionError("never quiet")

    def ingest(self, count: int = 1, command: str = "true", **fields: Any) -> list[IngestedJob]:
        """Make submissions."""
        system = {"duration": 3600.0, **fields.pop("system", {})}
        spec = INTERNED.intern_obj(jobspec(command, system))
        jobs = []
        for _ in range(count):
            self._next += 1
            fields.setdefault("userid", 1)
            fields.setdefault("urgency", 16)
            fields.setdefault("flags", 0)
            jobs.append(IngestedJob(self._next, t_submit=self.t, jobspec=spec, **fields))
        return jobs

    def submit(self, count: int = 1, **fields: Any) -> list[int]:
        """Submit without turning the loop; acknowledgements and refusals gather in `errors`."""
        jobs = self.ingest(count, **fields)
        self.intake.submit(jobs, self.errors.append)
        return [job.id for job in jobs]

    def names(self, id: int) -> str:
        """Return the names of a job's durable events."""
        return self.store.names(id)


def jobspec(command: str = "true", system: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a jobspec of one core."""
    return {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": [command], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": system or {"duration": 0.0}},
    }
