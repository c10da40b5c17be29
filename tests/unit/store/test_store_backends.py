"""Every backend is held to the check that plugin authors get, and to what the stock ones promise besides."""

import errno
import hashlib
import io
import os
import sqlite3
from pathlib import Path

import pytest
import trio

from bourn.errors import BournError
from bourn.hookspecs.store import (
    EVENTLOG,
    OUTPUT,
    RESOURCE_SET,
    Batch,
    JobDone,
    JobQuery,
    JobUpdate,
    KvsTxn,
    NewJob,
    StoreBackend,
    StoreOptions,
)
from bourn.testing import check_store
from bourn_plugins.store.backends import BACKENDS
from bourn_plugins.store.schema import DB_NAME
from bourn_plugins.store.sqlite import SqliteStore, open_sqlite

SPEC = b'{"version":1,"attributes":{"system":{"duration":0,"environment":{"A":"1"}}}}'
HASH = hashlib.sha256(SPEC).digest()


def new(i: int, **kw: object) -> NewJob:
    return NewJob(i, 1000, 16, 0, float(i), HASH, SPEC)._replace(**kw)


def size_of(store: SqliteStore) -> int:
    return os.stat(store.path).st_size


def finished(i: int, t: float | None = None) -> Batch:
    line = f'{{"timestamp":{i}.0,"name":"clean"}}\n'
    return Batch(
        jobs=[new(i)], logs=[(i, EVENTLOG, line)], done=[JobDone(i, 1, float(i) if t is None else t)]
    )


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
def test_conforms(backend: StoreBackend) -> None:
    check_store(backend)


@pytest.mark.parametrize("synchronous", ["normal", "full", "off"])
async def test_a_batch_that_fails_leaves_its_neighbours(tmp_path: Path, synchronous: str) -> None:
    store = open_sqlite(StoreOptions(tmp_path, synchronous))
    told: list[tuple[int, int | None]] = []

    def note(i: int):  # type: ignore[no-untyped-def]
        return lambda error: told.append((i, error.errnum if error else None))

    store.write(Batch(jobs=[new(1)]), note(0))
    store.write(Batch(jobs=[new(2), new(1)], logs=[(2, EVENTLOG, "{}\n")]), note(1))
    store.write(Batch(jobs=[new(3)], kvs=[KvsTxn("nowhere", [("put", "a", "1")])]), note(2))
    store.write(Batch(updates=[JobUpdate(1, {"id": 9})]), note(3))
    store.write(Batch(jobs=[new(4)]), note(4))
    await store.commit(Batch())
    assert told == [(0, None), (1, errno.EEXIST), (2, errno.ENOENT), (3, errno.EINVAL), (4, None)]
    assert [job.id for job in store.active_jobs()] == [1, 4]
    assert store.log_text(2, EVENTLOG) is None
    assert await store.check() == []
    await store.close()


async def test_batches_of_a_turn_share_a_commit_in_order(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    told: list[int] = []
    for i in range(1, 200):
        store.write(finished(i), lambda error, i=i: told.append(i))
    await store.commit(Batch(meta={"x": 1}))
    assert told == list(range(1, 200))
    assert store.stats()["commits"] == 1
    assert [row.jobid for row in store.journal()] == told
    await store.close()


async def test_a_callback_that_fails_takes_no_other_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    store.write(Batch(meta={"a": 1}), lambda error: [][0])
    await store.commit(Batch(meta={"b": 2}))
    assert (store.meta("a"), store.meta("b")) == (1, 2)
    assert "callback failed" in caplog.text
    await store.close()


async def test_jobspec_texts_are_stored_once_and_go_with_their_last_job(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    other = b'{"version":1,"attributes":{"system":{}}}'
    jobs = [new(i) for i in range(1, 600)]
    jobs.append(new(600, spec_json=other, spec_hash=hashlib.sha256(other).digest()))
    await store.commit(Batch(jobs=jobs, done=[JobDone(j.id, 1, 1.0) for j in jobs]))
    assert store.one("SELECT count(*) FROM spec")[0] == 2
    await store.commit(Batch(purge=[600]))
    assert store.one("SELECT count(*) FROM spec")[0] == 1
    assert store.max_jobid() == 600
    await store.commit(Batch(purge=list(range(1, 600))))
    assert store.one("SELECT count(*) FROM spec")[0] == 0
    assert store.max_jobid() == 600
    assert store.meta("jobs-purged") == 600
    await store.commit(Batch(jobs=[new(601)]))
    assert store.job(601) == new(601)
    await store.close()


async def test_environments_are_stored_once_and_go_with_their_last_jobspec(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    bodies = [b'{"attributes":{"system":{"cwd":"/%d"}}}' % i for i in range(1, 6)]
    environments = [(b"1" * 16, b'{"A":"1"}'), (b"2" * 16, b'{"A":"2"}')]
    jobs = [
        new(i, spec_json=body, spec_hash=hashlib.sha256(body).digest(), environment=environments[i // 5])
        for i, body in enumerate(bodies, 1)
    ]
    await store.commit(Batch(jobs=[*jobs[:3], new(9)], done=[JobDone(i, 1, 1.0) for i in (1, 2, 3)]))
    await store.commit(Batch(jobs=jobs[3:], done=[JobDone(4, 1, 1.0)]))
    assert store.one("SELECT count(*) FROM environment")[0] == 2
    assert store.job(2) == jobs[1]
    assert store.jobspec(2) == {"attributes": {"system": {"cwd": "/2", "environment": {"A": "1"}}}}
    assert store.jobspec(5) == {"attributes": {"system": {"cwd": "/5", "environment": {"A": "2"}}}}
    assert list(store.active_jobs()) == [jobs[4], new(9)]
    assert await store.check() == []
    await store.commit(Batch(purge=[1, 2, 3]))
    assert store.one("SELECT count(*) FROM environment")[0] == 2
    await store.commit(Batch(purge=[4]))
    assert store.one("SELECT data FROM environment")[0] == environments[1][1]
    await store.close()


@pytest.mark.parametrize("version", [1, 2])
async def test_a_store_of_an_older_bourn_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    await store.commit(Batch(jobs=[new(1)]))
    await store.close()
    db = sqlite3.connect(tmp_path / DB_NAME)
    changes = [
        "DROP INDEX spec_environment",
        "DROP TABLE environment",
        "ALTER TABLE spec DROP COLUMN environment",
    ]
    if version == 1:
        changes += ["DROP TABLE array", "ALTER TABLE done DROP COLUMN retries"]
    db.executescript(";".join([*changes, f"PRAGMA user_version = {version}"]))
    db.close()
    store = open_sqlite(StoreOptions(tmp_path))
    environment = (b"1" * 16, b'{"A":"2"}')
    await store.commit(Batch(jobs=[new(2, spec_hash=b"2" * 16, environment=environment)]))
    assert store.job(1) == new(1)
    assert store.jobspec(1)["attributes"]["system"]["environment"] == {"A": "1"}  # type: ignore[index]
    assert store.jobspec(2)["attributes"]["system"]["environment"] == {"A": "2"}  # type: ignore[index]
    assert await store.check() == []
    await store.close()


async def test_purging_gives_space_back(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    for i in range(1, 40):
        batch = finished(i)
        batch.logs.append((i, OUTPUT, "x" * 50_000))
        batch.kvs = [KvsTxn(f"job-{i}", [("ensure", 1, 0)]), KvsTxn(f"job-{i}", [("put", "a", "1")])]
        await store.commit(batch)
    await store.checkpoint()
    full = size_of(store)
    assert store.purgeable(before=20.0) == list(range(1, 20))
    assert store.purgeable(keep=30) == list(range(1, 10))
    await store.commit(Batch(purge=store.purgeable(before=31.0)))
    await store.checkpoint()
    assert size_of(store) < full / 3
    assert [ns.name for ns in store.kvs_namespaces()] == sorted(f"job-{i}" for i in range(31, 40))
    assert await store.check() == []
    await store.close()


async def test_an_active_job_is_not_purged(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    await store.commit(Batch(jobs=[new(1)]))
    with pytest.raises(BournError, match="job 1 is active"):
        await store.commit(Batch(purge=[1]))
    await store.close()


async def test_overrides_updates_and_keys(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    overrides = '{"attributes.system.environment.B":"2"}'
    await store.commit(Batch(jobs=[new(1, overrides=overrides, idem_key="k"), new(2)]))
    await store.commit(Batch(updates=[JobUpdate(1, {"queue": "debug", "urgency": 31})]))
    spec = store.jobspec(1)
    assert spec is not None
    assert spec["attributes"]["system"]["environment"] == {"A": "1", "B": "2"}
    assert (store.job_by_key(1000, "k"), store.job_by_key(1000, "l")) == (1, None)
    job = store.job(1)
    assert job is not None
    assert (job.queue, job.urgency, job.overrides) == ("debug", 31, overrides)
    with pytest.raises(BournError):
        await store.commit(Batch(jobs=[new(3, idem_key="k")]))
    assert (store.jobspec(9), store.job(9), store.inactive_job(9)) == (None, None, None)
    await store.close()


async def test_logs(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    logs = [(1, EVENTLOG, f"{i}\n") for i in range(700)]
    logs += [(1, RESOURCE_SET, '{"a":1}'), (1, RESOURCE_SET, '{"a":2}'), (1, "guest.own.log", "x\n")]
    await store.commit(Batch(jobs=[new(1), new(2)], logs=[*logs, (2, EVENTLOG, "two\n")]))
    assert store.log_text(1, EVENTLOG) == "".join(f"{i}\n" for i in range(700))
    assert store.log_last(1, RESOURCE_SET) == '{"a":2}'
    assert store.log_names(1) == ["R", "eventlog", "guest.own.log"]
    assert [row for row in store.active_events() if row[0] == 2] == [(2, "two\n")]
    assert len(list(store.active_events())) == 701
    assert len(list(store.journal(limit=300))) == 300
    assert [r.data for r in store.journal(since_seq=703)] == ["two\n"]
    await store.close()


async def test_queries_page_through_equal_times(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    batch = Batch()
    for i in range(1, 1301):
        batch.jobs.append(new(i, queue="a" if i % 2 else None, name=f"n{i % 10}"))
        batch.done.append(JobDone(i, 1 << i % 4, float(i // 700)))
    await store.commit(batch)
    assert [j.id for j in store.query_jobs(JobQuery())] == [*range(1300, 699, -1), *range(699, 0, -1)]
    assert len(list(store.query_jobs(JobQuery(limit=600)))) == 600
    assert {j.result for j in store.query_jobs(JobQuery(results=6))} == {2, 4}
    assert len(list(store.query_jobs(JobQuery(queues=("a",))))) == 650
    assert len(list(store.query_jobs(JobQuery(name="n3")))) == 130
    assert len(list(store.query_jobs(JobQuery(since=0.5)))) == 601
    assert [j.id for j in store.query_jobs(JobQuery(min_id=5, max_id=7))] == [7, 6, 5]
    assert list(store.query_jobs(JobQuery(userid=7))) == []
    assert sum(row.jobs for row in store.job_stats()) == 1300
    await store.close()


async def test_state_survives_and_the_log_is_folded_in(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    await store.commit(finished(1))
    await store.close()
    assert sorted(os.listdir(tmp_path)) == ["bourn.sqlite", "lock"]
    again = open_sqlite(StoreOptions(tmp_path))
    assert again.inactive_job(1) is not None
    await again.close()


async def test_the_log_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bourn_plugins.store.writer.WAL_BYTES", 200_000)
    store = open_sqlite(StoreOptions(tmp_path))
    largest = 0
    for i in range(1, 400):
        batch = finished(i)
        batch.logs.append((i, OUTPUT, "x" * 8000))
        await store.commit(batch)
        largest = max(largest, store.stats()["wal-bytes"])
        if store._writer._checkpointing:
            while store._writer._checkpointing:
                await trio.lowlevel.checkpoint()
    assert store.stats()["checkpoints"] > 5
    assert largest < 1_500_000
    await store.close()


async def test_writing_after_the_close_is_refused(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    await store.close()
    with pytest.raises(BournError, match="closed"):
        store.write(Batch(meta={"a": 1}))


async def test_a_slow_disk_moves_commits_off_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    monkeypatch.setattr("bourn_plugins.store.writer.SLOW_COMMIT", -1.0)
    assert store._writer._thread is None
    for i in range(3):
        await store.commit(Batch(meta={"a": i}))
    assert store._writer._thread is not None
    assert store.meta("a") == 2
    await store.close()


async def dumped(store: SqliteStore) -> bytes:
    return b"".join([chunk async for chunk in store.dump()])


async def test_a_dump_is_consistent_and_complete(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    for i in range(1, 2000, 500):
        merged = Batch()
        for j in range(i, i + 500):
            one = finished(j)
            merged.jobs += one.jobs
            merged.logs += one.logs
            merged.done += one.done
        await store.commit(merged)
    await store.commit(
        Batch(
            jobs=[new(5000)],
            logs=[(5000, "guest.strange", "x\n")],
            kvs=[KvsTxn("primary", [("ensure", 0, 0)]), KvsTxn("primary", [("put", "a", b"\xff\x00")])],
            meta={"epoch": 7},
            resource=["r\n"],
        )
    )
    dump = store.dump()
    chunks = [await anext(dump)]
    await store.commit(finished(6000))  # after the snapshot
    chunks += [chunk async for chunk in dump]
    second = tmp_path / "second"
    second.mkdir()
    copy = open_sqlite(StoreOptions(second))
    rows = await copy.restore(io.BytesIO(b"".join(chunks)))
    assert (rows["job"], rows["active"], rows["done"]) == (2001, 1, 2000)
    assert copy.inactive_job(6000) is None
    assert list(copy.query_jobs(JobQuery())) == [j for j in store.query_jobs(JobQuery()) if j.id != 6000]
    assert copy.log_text(5000, "guest.strange") == "x\n"
    entry = copy.kvs_get("primary", "a")
    assert entry is not None
    assert entry.value == b"\xff\x00"
    assert (copy.meta("epoch"), list(copy.resource_events())) == (7, ["r\n"])
    await copy.commit(finished(7000))
    assert await copy.check() == []
    with pytest.raises(BournError, match="holds jobs") as caught:
        await copy.restore(io.BytesIO(await dumped(store)))
    assert caught.value.errnum == errno.EEXIST
    await copy.close()
    await store.close()


@pytest.mark.parametrize("cut", [0, 100, 5000, -3000])
async def test_what_is_no_whole_dump_is_refused(tmp_path: Path, cut: int) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    await store.commit(finished(1))
    data = await dumped(store)
    second = tmp_path / "second"
    second.mkdir()
    copy = open_sqlite(StoreOptions(second))
    with pytest.raises(BournError, match="dump"):
        await copy.restore(io.BytesIO(data[:cut]))
    assert copy.max_jobid() == 0
    assert (await copy.restore(io.BytesIO(data)))["job"] == 1
    await copy.close()
    await store.close()
