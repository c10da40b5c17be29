"""The service over a real store, with a job manager that only has jobs."""

import errno
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from bourn.broker.module import Module
from bourn.errors import RPCError
from bourn.hookspecs.modules import ModuleSpec
from bourn.hookspecs.store import Batch, JobDone, NewJob
from bourn.model.interned import InternTable
from bourn.model.states import Result, State
from bourn.testing import MemoryBroker, jobspec, memory_broker
from bourn_plugins.job_list import bourn_modules
from bourn_plugins.job_manager.job import Job
from bourn_plugins.store import bourn_stores
from bourn_plugins.store.module import StoreModule

SPEC = b'{"version":1}'
HASH = hashlib.sha256(SPEC).digest()


class Plugins:
    def collect(self, hook: str) -> list[tuple[None, Any]]:
        return [(None, backend) for backend in bourn_stores()] if hook == "bourn_stores" else []


class FakeManager(Module):
    jobs: ClassVar[list[Job]] = []
    arrays = None

    @property
    def engine(self) -> SimpleNamespace:
        return SimpleNamespace(jobs={job.id: job for job in self.jobs})

    def list_active(self) -> list[Job]:
        return list(self.jobs)


@asynccontextmanager
async def lister(*jobs: Job) -> AsyncIterator[MemoryBroker]:
    class Manager(FakeManager):
        pass

    Manager.jobs = list(jobs)
    modules = [ModuleSpec("store", StoreModule), ModuleSpec("job-manager", Manager), *bourn_modules()]
    async with memory_broker(*modules, plugins=Plugins()) as broker:  # type: ignore[arg-type]
        yield broker


def active(i: int, state: State = State.SCHED, **kw: Any) -> Job:
    import msgspec

    spec = InternTable().intern(msgspec.json.encode(jobspec()))
    return Job(i, 1000, 16, 0, float(i), spec, name="live", state=state, **kw)


async def finish(broker: MemoryBroker, ids: Any, **kw: Any) -> None:
    batch = Batch()
    for i in ids:
        batch.jobs.append(NewJob(i, 1000 + i % 2, 16, 0, float(i), HASH, SPEC, name=f"j{i}", queue=None))
        batch.done.append(
            JobDone(i, **{"result": 1, "t_inactive": 100.0 + i, "t_run": 50.0, "waitstatus": 0, **kw})
        )
    await broker.provider("store").store.commit(batch)


async def listed(broker: MemoryBroker, **body: Any) -> list[dict[str, Any]]:
    async with broker.stream("job-list.list", body) as pieces:
        return [job async for piece in pieces for job in piece["jobs"]]


async def ids(broker: MemoryBroker, **body: Any) -> list[int]:
    return [job["id"] for job in await listed(broker, **body)]


async def test_order_and_limit() -> None:
    jobs = [
        active(101, priority=16),
        active(102, priority=20),
        active(103, State.RUN, t_run=5.0),
        active(104, State.CLEANUP, t_run=9.0),
        active(105, priority=16),
        active(106, State.INACTIVE, result=Result.FAILED, t_inactive=500.0),
    ]
    async with lister(*jobs) as b:
        await finish(b, [1, 3, 2, 106])  # the last has just got there
        order = [102, 101, 105, 104, 103, 106, 3, 2, 1]
        assert await ids(b) == order
        assert await ids(b, max_entries=4) == order[:4]
        assert await ids(b, states=["inactive"]) == [106, 3, 2, 1]
        assert await ids(b, states=["pending"]) == [102, 101, 105]
        assert await ids(b, states=64 | 16) == [103, 106, 3, 2, 1]
        assert await ids(b, since=102.0) == [102, 101, 105, 104, 103, 106, 3]
        assert await ids(b, constraint={"or": [{"name": ["j2"]}, {"states": ["run"]}]}) == [103, 2]
        assert await ids(b, userid=1001) == [3, 1]
        assert await ids(b, name="live", results=["failed"]) == [106]


async def test_many_come_in_pieces() -> None:
    async with lister(active(5000)) as b:
        await finish(b, range(1, 1001))
        async with b.stream("job-list.list", {"max_entries": 0}) as pieces:
            sizes = [len(piece["jobs"]) async for piece in pieces]
        assert sizes == [200] * 5 + [1]
        assert len(await ids(b)) == 1000


async def test_attributes() -> None:
    job = active(
        9,
        State.RUN,
        t_run=3.0,
        queue="q",
        exception=("x", 0, "note"),
        waitstatus=0,
        notes={"sched": {"a": 1}},
    )
    job.deps = {"after:f1": False, "after:f2": True}
    job.R = {"execution": {"R_lite": [{"rank": "0-1", "children": {"core": "0-3"}}], "nodelist": ["n[1-2]"]}}
    async with lister(job) as b:
        await finish(b, [1], exception_type="cancel", exception_severity=0, annotations='{"a":1}', nnodes=2)
        live, done = await listed(b)
        assert live["nodelist"] == "n[1-2]"
        assert (live["nnodes"], live["ncores"], live["ranks"]) == (2, 8, "0-1")
        assert (live["exception_type"], live["exception_severity"], live["waitstatus"]) == ("x", 0, 0)
        assert (live["queue"], live["dependencies"], live["annotations"]) == (
            "q",
            ["after:f1"],
            {"sched": {"a": 1}},
        )
        assert "result" not in live
        assert "success" not in live
        assert done["success"] is True
        assert (done["state"], done["exception_occurred"], done["annotations"]) == (64, True, {"a": 1})
        assert "queue" not in done
        assert await listed(b, attrs=["name"], states=["inactive"]) == [{"id": 1, "name": "j1"}]
        with pytest.raises(RPCError, match="no attribute 'nodlist'; did you mean 'nodelist'"):
            await listed(b, attrs=["nodlist"])


async def test_by_id() -> None:
    async with lister(active(9)) as b:
        await finish(b, [1, 2])
        assert (await b.rpc("job-list.list-id", {"id": 9}))["job"]["name"] == "live"
        got = await b.rpc("job-list.list-id", {"ids": [2, 9, 1], "attrs": ["state"]})
        assert got["jobs"] == [{"id": 2, "state": 64}, {"id": 9, "state": 8}, {"id": 1, "state": 64}]
        with pytest.raises(RPCError, match="does not exist") as caught:
            await b.rpc("job-list.list-id", {"id": 77})
        assert caught.value.errnum == errno.ENOENT


async def test_statistics() -> None:
    async with lister(active(9, queue="q"), active(10, State.RUN)) as b:
        await finish(b, range(1, 6))
        await finish(b, [6], result=8)
        await b.provider("store").store.commit(Batch(purge=[1]))
        stats = await b.rpc("job-list.stats")
        assert stats["job_states"] == {
            "depend": 0, "priority": 0, "sched": 1, "run": 1, "cleanup": 0, "inactive": 5, "total": 7
        }  # fmt: skip
        assert (stats["successful"], stats["failed"], stats["canceled"], stats["timeout"]) == (4, 0, 0, 1)
        assert stats["inactive_purged"] == 1
        assert [q["name"] for q in stats["queues"]] == ["q"]
