"""The upper end of a level in memory: an overseer, a job manager that notes what it is told, and children
that say what a test has them say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bourn.model.states import State
from bourn.testing import alloc_request
from bourn.testing.samples import jobspec
from bourn_plugins.hierarchy.child import Child
from bourn_plugins.hierarchy.distributor import Distributor
from bourn_plugins.hierarchy.fit import Capacity
from bourn_plugins.hierarchy.overseer import Overseer
from bourn_plugins.hierarchy.shape import Part
from bourn_plugins.hierarchy.table import HierarchyTable
from bourn_plugins.job_manager.job import ALLOCATED, FINISHED, STARTED

if TYPE_CHECKING:
    from collections.abc import Sequence

FACTS = {"start": STARTED, "finish": FINISHED}
OWNER = 1000


def R(rank: int, cores: str = "0-1") -> dict[str, Any]:
    lite = [{"rank": str(rank), "children": {"core": cores}}]
    execution = {"R_lite": lite, "nodelist": [f"n{rank}"], "starttime": 0.0, "expiration": 0.0}
    return {"version": 1, "execution": execution}


class Turns:
    """A policy that gives each child one job after the other."""

    def __init__(self) -> None:
        self.next = -1

    def choose(self, job: object, children: list[Child]) -> int:
        self.next += 1
        return self.next % len(children)


class Manager:
    """What an overseer asks of a job manager's engine."""

    def __init__(self) -> None:
        self.time = 0.0
        self.jobs: dict[int, Any] = {}
        self.standing: set[int] = set()
        self.told: list[tuple[Any, ...]] = []
        self.uncommitted: list[Any] = []
        self.own: list[int] = []
        self.meta: dict[str, object] = {}
        self.output: list[str] = []
        self.store = SimpleNamespace(meta=self.meta.get, events=lambda id, log: iter(self.output))
        scheduler = SimpleNamespace(alloc=lambda jobs: self.own.extend(job.id for job in jobs))
        self.sched = SimpleNamespace(
            scheduler=scheduler,
            alloc_success=self._granted,
            alloc_cancelled=lambda ids: self.told.extend(("cancelled", id) for id in ids),
            alloc_deny=lambda jobs: self.told.extend(("denied", *job) for job in jobs),
        )
        self.exec = SimpleNamespace(exec_report=self._report)

    def now(self) -> float:
        return self.time

    def kick(self) -> None:
        pass

    def write_meta(self, key: str, value: object) -> None:
        self.meta[key] = value

    def post(self, job: Any, name: str, context: dict[str, Any]) -> None:
        self.told.append((name, job.id, context.get("note", "")))

    def _granted(self, jobs: list[Any], times: dict[int, float]) -> None:
        for id, rset, notes in jobs:
            job = self.jobs[id]
            job.R, job.facts, job.state, job.notes = rset, job.facts | ALLOCATED, State.RUN, notes
            self.told.append(("granted", id, rset["execution"]["R_lite"][0]["rank"]))

    def _report(self, events: list[Any], logs: Any, committed: Any = None, meta: Any = None) -> None:
        for event in events:
            self.jobs[event.id].facts |= FACTS.get(event.name, 0)
            self.told.append((event.name, event.id))
        self.told.extend(("log", *row) for row in logs)
        self.meta.update(meta or {})
        if committed is not None:
            self.uncommitted.append(committed)


class Line:
    """A link to a child: what went down it."""

    def __init__(self) -> None:
        self.ranks: tuple[int, ...] = ()
        self.down: list[tuple[Any, ...]] = []
        self.closed = False

    def hand_down(self, job: Any, urgency: int, *, again: bool) -> None:
        self.down.append(("job", job.id, "again") if again else ("job", job.id))

    def tell(self, what: str, item: Any) -> None:
        self.down.append((what, *item) if isinstance(item, list) else (what, item))

    def acknowledge(self, seq: int) -> None:
        self.down.append(("ack", seq))

    def stop(self) -> None:
        self.down.append(("stop",))

    def flush(self) -> None:
        pass

    def end(self) -> None:
        self.closed = True

    def close(self, ranks: Sequence[tuple[str, str]]) -> None:
        if ranks:
            self.down.append(("closed", *ranks))


class Parent:
    """An instance with two children of two cores each, on ranks 4 and 5, once they have `join`ed."""

    CHILDREN = (901, 902)

    def __init__(self, **table: Any) -> None:
        self.manager = Manager()
        made = [Child(i, Part(1, 2, 0, False, ""), Capacity(((2, 0),), False)) for i in range(2)]
        self.distributor = Distributor(made, Turns(), 4)
        rules = HierarchyTable(**table)
        self.overseer = Overseer(
            self.manager, self.distributor, rules, OWNER, lambda: None, lambda: 0.0, durable=True
        )
        self.lines: dict[int, Line] = {}
        self._reports = [0, 0]
        for index, child in enumerate(made):
            self.raise_(child, self.CHILDREN[index], rank=4 + index)
            self.join(index)

    def raise_(self, child: Child, id: int, rank: int) -> None:
        self.manager.jobs[id] = self.job(id, R=R(rank), state=State.RUN)
        self.overseer.raised(child, id)

    def join(self, index: int, *have: int) -> int:
        """Have a child connect; return the number of its last report that is durable here."""
        line = self.lines[index] = Line()
        return self.overseer.joined(self.distributor.children[index], line, R(0), have)

    def job(self, id: int, **facts: Any) -> Any:
        known = {"R": None, "facts": 0, "state": State.SCHED, "urgency": 16, "exception": None, "prologs": 0}
        known |= {"notes": None, "handed_down": False, "waitstatus": None}
        return SimpleNamespace(id=id, **{**known, **facts})

    def submit(self, *ids: int, userid: int = OWNER, **shape: Any) -> list[int]:
        """Have the job manager ask for jobs; return those that the scheduler is asked for."""
        requests = [alloc_request(id, jobspec(**shape), userid=userid) for id in ids]
        self.manager.jobs.update((id, self.job(id)) for id in ids)
        left = self.overseer.take(requests)
        self.overseer.turn()
        return [request.id for request in left]

    def report(self, index: int, **report: Any) -> None:
        self._reports[index] += 1
        self.again(index, self._reports[index], **report)

    def again(self, index: int, seq: int, **report: Any) -> None:
        self.overseer.report(self.distributor.children[index], {"seq": seq, **report})
        self.overseer.turn()

    def start(self, index: int, *ids: int) -> None:
        """Have a child report that jobs have begun."""
        self.report(
            index, alloc=[(i, 1.0, R(0, "0")) for i in ids], events=[(i, "start", {}, 1.0) for i in ids]
        )

    def finish(self, index: int, *ids: int) -> None:
        done = [(id, "finish", {"status": 0}, 2.0) for id in ids]
        self.report(index, events=done, over=[(id, 2.0, "", "") for id in ids])

    def die(self, index: int) -> None:
        """Have the job of a child end."""
        self.overseer.gone(self.manager.jobs.pop(self.distributor.children[index].jobid))
        self.overseer.turn()

    def told(self) -> list[tuple[Any, ...]]:
        """Return what the job manager was told since the last time."""
        told, self.manager.told = self.manager.told, []
        return told

    def down(self, index: int) -> list[tuple[Any, ...]]:
        """Return what went down to a child since the last time."""
        line = self.lines[index]
        told, line.down = line.down, []
        return told

    def durable(self) -> None:
        """Have all that was written become durable."""
        done, self.manager.uncommitted = self.manager.uncommitted, []
        for committed in done:
            committed()
