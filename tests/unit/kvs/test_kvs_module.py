"""The service, in a broker in memory."""

import errno
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bourn.broker.roles import Role
from bourn.errors import RPCError
from bourn.hookspecs.modules import ModuleSpec
from bourn.hookspecs.store import EVENTLOG, OUTPUT, RESOURCE_SET, Batch, JobDone, NewJob, Store
from bourn.model.jobid import JobID
from bourn.testing import MemoryBroker, memory_broker
from bourn_plugins.kvs import bourn_modules as kvs_modules
from bourn_plugins.store import bourn_stores
from bourn_plugins.store.module import StoreModule

GUEST = 4242


class Plugins:
    """Just enough of a plugin manager."""

    def collect(self, hook: str) -> list[tuple[None, Any]]:
        return [(None, backend) for backend in bourn_stores()] if hook == "bourn_stores" else []


@asynccontextmanager
async def kvs_broker(history: int = 1024) -> AsyncIterator[MemoryBroker]:
    modules = [ModuleSpec("store", StoreModule, ranks="0"), *kvs_modules()]
    async with memory_broker(*modules, plugins=Plugins(), config={"kvs": {"history": history}}) as broker:  # type: ignore[arg-type]
        yield broker


def store_of(broker: MemoryBroker) -> Store:
    store: Store = broker.provider("store").store
    return store


async def put(broker: MemoryBroker, key: str, value: Any, **kw: Any) -> int:
    return int((await broker.rpc("kvs.commit", {"ops": [["put", key, value]], **kw}))["version"])


async def get(broker: MemoryBroker, key: str, **kw: Any) -> Any:
    return (await broker.rpc("kvs.get", {"key": key, **kw}))["value"]


@asynccontextmanager
async def fails(errnum: int, pattern: str | None = None) -> AsyncIterator[None]:
    with pytest.raises(RPCError, match=pattern) as caught:
        yield
    assert caught.value.errnum == errnum


async def test_put_get_and_versions() -> None:
    async with kvs_broker() as b:
        assert await put(b, "a.b", "1") == 1
        assert await put(b, "a.b", "2") == 2
        assert await get(b, ".a..b.") == "2"
        assert await get(b, "a.b", version=1) == "1"
        assert (await b.rpc("kvs.getroot"))["version"] == 2
        assert (await b.rpc("kvs.dir", {"key": "."}))["entries"] == [
            {"name": "a", "kind": "dir", "value": None}
        ]
        assert (await b.rpc("kvs.get", {"key": "a"}))["kind"] == "dir"
        assert (await b.rpc("kvs.commit", {"ops": []}))["version"] == 2
        await put(b, "raw", {"b64": "/wA="})
        assert await get(b, "raw") == {"b64": "/wA="}


async def test_what_is_refused() -> None:
    async with kvs_broker() as b:
        await put(b, "a", "1")
        async with fails(errno.ENOENT, "key x does not exist"):
            await get(b, "x")
        async with fails(errno.ENOTDIR, "a is not a directory"):
            await get(b, "a.b")
        async with fails(errno.ENOTDIR, "a is not a directory"):
            await b.rpc("kvs.dir", {"key": "a"})
        async with fails(errno.ENOENT, "namespace 'x' does not exist"):
            await get(b, "a", namespace="x")
        async with fails(errno.EINVAL, "has no version 9"):
            await get(b, "a", version=9)
        async with fails(errno.EINVAL, r"ops\[1\]: no operation 'putt'; did you mean 'put'"):
            await b.rpc("kvs.commit", {"ops": [["put", "b", "1"], ["putt", "c", "1"]]})
        for ops in (
            [["put", "b"]],
            [["put", "b", 3]],
            ["put"],
            [[]],
            [["put", "b", {"b64": "?"}]],
            [["symlink", "b", 1]],
        ):
            async with fails(errno.EPROTO):
                await b.rpc("kvs.commit", {"ops": ops})
        async with fails(errno.EROFS, "view of the job store"):
            await put(b, "job.x", "1")
        async with fails(errno.ENOENT):
            await get(b, "b")


async def test_a_refused_operation_undoes_its_transaction() -> None:
    async with kvs_broker() as b:
        await b.rpc("kvs.commit", {"ops": [["mkdir", "d"]]})
        async with fails(errno.EISDIR):
            await b.rpc("kvs.commit", {"ops": [["put", "x", "1"], ["append", "d", "1"]]})
        async with fails(errno.ENOENT):
            await get(b, "x")
        assert (await b.rpc("kvs.getroot"))["version"] == 1


async def test_symlinks() -> None:
    async with kvs_broker() as b:
        await b.rpc("kvs.namespace-create", {"namespace": "other"})
        await put(b, "there.x", "far", namespace="other")
        await b.rpc(
            "kvs.commit",
            {"ops": [["put", "a.b", "1"], ["symlink", "l", "a"], ["symlink", "far", "there", "other"]]},
        )
        assert await get(b, "l.b") == "1"
        assert await get(b, "far.x") == "far"
        assert await b.rpc("kvs.get", {"key": "far", "follow": False}) == {
            "kind": "symlink",
            "value": "other::there",
        }
        assert [e["name"] for e in (await b.rpc("kvs.dir", {"key": "far"}))["entries"]] == ["x"]


async def test_a_fence_is_one_transaction() -> None:
    async with kvs_broker() as b:
        versions: list[int] = []

        async def join(i: int) -> None:
            body = {"name": "f", "nprocs": 4, "ops": [["put", f"p{i}", str(i)], ["append", "all", "x"]]}
            versions.append((await b.rpc("kvs.fence", body))["version"])

        async with trio.open_nursery() as nursery:
            for i in range(3):
                nursery.start_soon(join, i)
            await wait_all_tasks_blocked()
            assert versions == []
            async with fails(errno.EINVAL, "nprocs is 5, others gave 4"):
                await b.rpc("kvs.fence", {"name": "f", "nprocs": 5, "ops": []})
            nursery.start_soon(join, 3)
        assert versions == [1, 1, 1, 1]
        assert await get(b, "all") == "xxxx"


async def test_a_participant_that_leaves_a_fence_takes_its_part_along() -> None:
    async with kvs_broker() as b:
        async with b.client() as leaver, trio.open_nursery() as nursery:
            body = {"name": "f", "nprocs": 2, "ops": [["put", "gone", "1"]]}
            nursery.start_soon(leaver.rpc, "kvs.fence", body)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            for i in range(2):
                nursery.start_soon(
                    b.rpc, "kvs.fence", {"name": "f", "nprocs": 2, "ops": [["put", f"k{i}", "1"]]}
                )
        async with fails(errno.ENOENT):
            await get(b, "gone")


async def collect(b: MemoryBroker, out: list[Any], body: dict[str, Any], task_status: Any) -> None:
    async with b.stream("kvs.watch", body) as stream:
        task_status.started()
        try:
            while True:
                out.append((await anext(stream))["value"])
        except RPCError as e:
            out.append(e.errnum)


async def test_watches_tell_every_version() -> None:
    async with kvs_broker() as b:
        await put(b, "a", "0")
        plain: list[Any] = []
        uniq: list[Any] = []
        async with trio.open_nursery() as nursery:
            await nursery.start(collect, b, plain, {"key": "a"})
            await nursery.start(collect, b, uniq, {"key": "a", "uniq": True})
            await wait_all_tasks_blocked()
            async with trio.open_nursery() as writers:
                for value in ("1", "1", "2"):  # queued in one turn: one commit, three versions
                    writers.start_soon(put, b, "a", value)
                writers.start_soon(put, b, "b", "other")
            await b.rpc("kvs.commit", {"ops": [["unlink", "a"]]})
        assert sorted(plain[1:4]) == ["1", "1", "2"]
        assert (plain[0], plain[4:]) == ("0", [errno.ENOENT])
        assert uniq[0] == "0"
        assert uniq[-1] == errno.ENOENT


async def test_watches_of_logs_links_and_what_is_to_come() -> None:
    async with kvs_broker() as b:
        log: list[Any] = []
        link: list[Any] = []
        await b.rpc("kvs.commit", {"ops": [["symlink", "l", "d"], ["put", "d.x", "1"]]})
        async with trio.open_nursery() as nursery:
            await nursery.start(collect, b, log, {"key": "log", "append": True, "waitcreate": True})
            await nursery.start(collect, b, link, {"key": "l.x", "uniq": True})
            await wait_all_tasks_blocked()
            for text in ("one\n", "two\n", "three\n"):
                await b.rpc("kvs.commit", {"ops": [["append", "log", text]]})
            await put(b, "d.x", "2")
            await b.rpc("kvs.commit", {"ops": [["put", "e.x", "3"], ["symlink", "l", "e"]]})
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert log == ["one\n", "two\n", "three\n"]
        assert link == ["1", "2", "3"]
        await wait_all_tasks_blocked()
        assert b.provider("kvs").stats()["watchers"] == 0


async def test_a_watch_of_nothing_is_refused() -> None:
    async with (
        kvs_broker() as b,
        fails(errno.ENOENT, "key x does not exist"),
        b.stream("kvs.watch", {"key": "x"}) as s,
    ):
        await anext(s)


async def test_namespaces() -> None:
    async with kvs_broker() as b:
        await b.rpc("kvs.namespace-create", {"namespace": "n", "owner": 7})
        async with fails(errno.EEXIST):
            await b.rpc("kvs.namespace-create", {"namespace": "n"})
        for bad in ("", "a::b", "a b"):
            async with fails(errno.EINVAL):
                await b.rpc("kvs.namespace-create", {"namespace": bad})
        await put(b, "a", "1", namespace="n")
        out: list[Any] = []
        async with trio.open_nursery() as nursery:
            await nursery.start(collect, b, out, {"key": "a", "namespace": "n"})
            await wait_all_tasks_blocked()
            names = [(n["namespace"], n["owner"]) for n in (await b.rpc("kvs.namespace-list"))["namespaces"]]
            assert names == [("n", 7), ("primary", b.broker.owner)]
            await b.rpc("kvs.namespace-remove", {"namespace": "n"})
        assert out == ["1", errno.ENOENT]
        async with fails(errno.ENOENT):
            await get(b, "a", namespace="n")
        async with fails(errno.EPERM):
            await b.rpc("kvs.namespace-remove", {"namespace": "primary"})


async def test_waiting_for_a_version() -> None:
    async with kvs_broker() as b:
        seen: list[int] = []

        async def wait(version: int) -> None:
            seen.append((await b.rpc("kvs.wait", {"version": version}))["version"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, 2)
            nursery.start_soon(wait, 0)
            await wait_all_tasks_blocked()
            assert seen == [0]
            await put(b, "a", "1")
            await put(b, "a", "2")
        assert seen == [0, 2]


async def test_old_versions_go_but_not_those_that_are_held() -> None:
    async with kvs_broker(history=10) as b:
        for i in range(5):
            await put(b, "a", str(i))
        async with b.stream("kvs.snapshot") as snapshot:
            held = (await anext(snapshot))["version"]
            for i in range(5, 200):
                await put(b, "a", str(i))
            assert (await b.rpc("kvs.getroot"))["oldest"] <= held
            assert await get(b, "a", version=held) == "4"
        await wait_all_tasks_blocked()
        for i in range(200, 300):
            await put(b, "a", str(i))
        await store_of(b).commit(Batch())
        assert (await b.rpc("kvs.getroot"))["oldest"] > 200
        async with fails(errno.EINVAL, "has no version"):
            await get(b, "a", version=held)


SPEC = b'{"version":1}'


async def add_job(b: MemoryBroker, i: int, userid: int, *logs: tuple[str, str]) -> None:
    job = NewJob(i, userid, 16, 0, 1.0, hashlib.sha256(SPEC).digest(), SPEC)
    await store_of(b).commit(Batch(jobs=[job], logs=[(i, name, text) for name, text in logs]))


async def names(b: MemoryBroker, key: str) -> list[str]:
    return [e["name"] for e in (await b.rpc("kvs.dir", {"key": key}))["entries"]]


async def test_jobs_as_keys() -> None:
    async with kvs_broker() as b:
        assert await names(b, ".") == []
        job, near = 0x0017E9FB8DF16C2E, 0x0017E9FB9DF16C2E
        logs = [
            (EVENTLOG, "a\n"),
            (EVENTLOG, "b\n"),
            (RESOURCE_SET, "{1}"),
            (RESOURCE_SET, "{2}"),
            (OUTPUT, "o\n"),
        ]
        await add_job(b, job, 5, *logs, ("guest.exec.eventlog", "init\n"))
        await add_job(b, near, 5)
        at = JobID(job).kvs
        assert at == "job.0017.e9fb.8df1.6c2e"
        assert await names(b, ".") == ["job"]
        assert await names(b, "job") == ["0017"]
        assert await names(b, "job.0017.e9fb") == ["8df1", "9df1"]
        assert await names(b, at) == ["R", "eventlog", "guest", "jobspec"]
        assert await names(b, f"{at}.guest") == ["exec", "output"]
        assert await names(b, f"{at}.guest.exec") == ["eventlog"]
        assert await get(b, f"{at}.eventlog") == "a\nb\n"
        assert await get(b, f"{at}.R") == "{2}"
        assert await get(b, f"{at}.jobspec") == '{"version":1}'
        assert await get(b, f"{at}.guest.exec.eventlog") == "init\n"
        await b.rpc("kvs.commit", {"namespace": f"job-{job}", "ops": [["put", "mine.x", "1"]]})
        assert await get(b, f"{at}.guest.mine.x") == "1"
        assert await names(b, f"{at}.guest") == ["exec", "mine", "output"]
        assert await names(b, f"{at}.guest.mine") == ["x"]
        for key in (
            "job.zzzz",
            "job.0018",
            f"{at}.nothing",
            f"{at}.guest.nothing",
            "job.0017.e9fb.8df1.6c2f.eventlog",
        ):
            async with fails(errno.ENOENT):
                await get(b, key)
        await store_of(b).commit(Batch(done=[JobDone(job, 1, 2.0)]))
        async with fails(errno.EROFS, "its job has ended"):
            await put(b, "late", "1", namespace=f"job-{job}")
        assert await get(b, f"{at}.guest.mine.x") == "1"


async def test_guests_see_their_own_only() -> None:
    async with kvs_broker() as b:
        await put(b, "secret", "1")
        await add_job(b, 1 << 40, GUEST, (EVENTLOG, "mine\n"))
        await add_job(b, 2 << 40, 77, (EVENTLOG, "theirs\n"))
        mine, theirs = f"job-{1 << 40}", f"job-{2 << 40}"
        await put(b, "a", "1", namespace=theirs)
        await b.rpc("kvs.commit", {"namespace": theirs, "ops": [["symlink", "l", "secret", "primary"]]})
        async with b.client(GUEST, Role.USER) as guest:
            assert (await guest.rpc("kvs.get", {"key": f"{JobID(1 << 40).kvs}.eventlog"}))[
                "value"
            ] == "mine\n"
            assert await guest.rpc("kvs.commit", {"namespace": mine, "ops": [["put", "x", "1"]]}) == {
                "version": 1
            }
            assert (await guest.rpc("kvs.get", {"namespace": mine, "key": "x"}))["value"] == "1"
            listed = (await guest.rpc("kvs.namespace-list"))["namespaces"]
            assert [n["namespace"] for n in listed] == [mine]
            await guest.rpc(
                "kvs.commit",
                {
                    "namespace": mine,
                    "ops": [["symlink", "p", "secret", "primary"], ["symlink", "t", "a", theirs]],
                },
            )
            denied: list[tuple[str, dict[str, Any]]] = [
                ("kvs.get", {"key": "secret"}),
                ("kvs.get", {"key": "a", "namespace": theirs}),
                ("kvs.get", {"key": "p", "namespace": mine}),
                ("kvs.get", {"key": "t", "namespace": mine}),
                ("kvs.get", {"key": "x", "namespace": "nowhere"}),
                ("kvs.dir", {"key": "."}),
                ("kvs.commit", {"ops": [["put", "x", "1"]]}),
                ("kvs.commit", {"namespace": theirs, "ops": [["put", "x", "1"]]}),
                ("kvs.fence", {"namespace": theirs, "name": "f", "nprocs": 1, "ops": []}),
                ("kvs.namespace-create", {"namespace": "g"}),
                ("kvs.namespace-remove", {"namespace": mine}),
            ]
            for topic, body in denied:
                async with fails(errno.EPERM):
                    await guest.rpc(topic, body)
            async with fails(errno.ENOENT):
                await guest.rpc("kvs.get", {"key": f"{JobID(2 << 40).kvs}.eventlog"})
