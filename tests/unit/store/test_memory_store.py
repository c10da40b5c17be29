"""Jobs that only pass through an instance: what the store in memory holds of them, and for how long."""

import hashlib
from pathlib import Path

import pytest

from bourn.errors import BournError
from bourn.hookspecs.store import EVENTLOG, OUTPUT, Batch, JobDone, JobUpdate, KvsTxn, NewJob, StoreOptions
from bourn.model.flags import KEPT_ABOVE
from bourn_plugins.store.memory import LONG, MemoryStore

SPEC = b'{"version":1,"attributes":{"system":{"duration":0}}}'
HASH = hashlib.sha256(SPEC).digest()


def new(i: int, flags: int = KEPT_ABOVE, **columns: object) -> NewJob:
    return NewJob(i, 1000, 16, flags, float(i), HASH, SPEC)._replace(**columns)


def line(name: str) -> str:
    return f'{{"timestamp":1.0,"name":"{name}"}}\n'


async def test_it_is_found_like_any_other_while_it_is_active(tmp_path: Path) -> None:
    store = MemoryStore(StoreOptions(tmp_path))
    overrides = '{"attributes.system.duration": 7}'
    environment = (b"e" * 32, b'{"A":"1"}')
    await store.commit(
        Batch(
            jobs=[new(3, overrides=overrides, environment=environment), new(2, flags=0), new(5)],
            logs=[(3, EVENTLOG, line("submit")), (2, EVENTLOG, line("submit"))],
        )
    )
    await store.commit(
        Batch(
            logs=[(3, EVENTLOG, line("start")), (3, OUTPUT, "x\n"), (3, "R", "old\n"), (3, "R", "new\n")],
            updates=[JobUpdate(3, {"queue": "fast"})],
        )
    )
    assert [job.id for job in store.active_jobs()] == [2, 3, 5]
    job = store.job(3)
    assert job is not None
    assert (job.queue, job.overrides) == ("fast", overrides)
    system = {"duration": 7, "environment": {"A": "1"}}
    assert store.jobspec(3) == {"version": 1, "attributes": {"system": system}}
    assert list(store.events(3)) == [line("submit"), line("start")]
    assert list(store.events(3, skip=1)) == [line("start")]
    assert store.log_text(3, OUTPUT) == "x\n"
    assert store.log_last(3, "R") == "new\n"
    assert store.log_last(5, "R") is None
    assert store.log_rows(3, EVENTLOG) == 2
    assert store.log_names(3) == ["R", EVENTLOG, OUTPUT]
    assert list(store.active_events()) == [
        (2, line("submit")),
        (3, line("submit")),
        (3, line("start")),
    ]
    assert list(_walk(store)) == [2, 3, 5]
    assert store.stats()["active-jobs"] == 3
    await store.close()


def _walk(store: MemoryStore):
    at: int | None = 0
    while (at := store.next_jobid(at)) is not None:
        yield at
        at += 1


async def test_nothing_of_it_is_written_and_nothing_stays(tmp_path: Path) -> None:
    store = MemoryStore(StoreOptions(tmp_path))
    commits = store.stats()["commits"]
    told: list[int] = []
    for i in range(1, 100):
        store.write(Batch(jobs=[new(i)], logs=[(i, EVENTLOG, line("submit"))]), lambda _, i=i: told.append(i))
        store.write(Batch(logs=[(i, EVENTLOG, line("clean"))], done=[JobDone(i, 1, 1.0)]))
    assert told == list(range(1, 100))
    assert store.stats()["commits"] == commits
    assert store.job(1) is None
    assert store.inactive_job(1) is None
    assert list(store.active_jobs()) == []
    assert not store._ids
    await store.close()


async def test_those_that_have_passed_are_counted(tmp_path: Path) -> None:
    store = MemoryStore(StoreOptions(tmp_path))
    jobs = [new(1), new(2, queue="a"), new(3, queue="a"), new(4), new(5, flags=0)]
    failed = {"exception_type": "exec", "exception_severity": 0}
    done = [
        JobDone(1, 1, 1.0),
        JobDone(2, 2, 1.0, **failed),
        JobDone(3, 4, 1.0, **failed),
        JobDone(5, 1, 1.0),
    ]
    await store.commit(Batch(jobs=jobs, done=done))
    found = {tuple(row[:3]): row.jobs for row in store.job_stats()}
    assert found == {(None, 1, None): 2, ("a", 2, "exec"): 1, ("a", 4, None): 1}
    await store.close()


async def test_what_waits_for_the_database_keeps_its_place(tmp_path: Path) -> None:
    store = MemoryStore(StoreOptions(tmp_path))
    told: list[str] = []
    store.write(Batch(jobs=[new(1, flags=0)]), lambda error: told.append("kept"))
    store.write(Batch(jobs=[new(2)]), lambda error: told.append("passing"))
    await store.commit(Batch())
    assert told == ["kept", "passing"]
    await store.close()


async def test_one_with_long_logs_goes_into_the_database(tmp_path: Path) -> None:
    store = MemoryStore(StoreOptions(tmp_path))
    text = "x" * (LONG + 1) + "\n"
    await store.commit(Batch(jobs=[new(1), new(2)], logs=[(1, EVENTLOG, line("submit")), (1, OUTPUT, text)]))
    await store.commit(Batch(logs=[(1, OUTPUT, "more\n"), (2, OUTPUT, "other\n")]))
    assert store.one("SELECT id FROM job")[0] == 1
    assert list(store.events(1, OUTPUT)) == [text, "more\n"]
    assert store.log_text(1, EVENTLOG) == line("submit")
    await store.commit(Batch(logs=[(1, OUTPUT, "end\n")], done=[JobDone(1, 1, 1.0), JobDone(2, 1, 1.0)]))
    assert list(store.events(1, OUTPUT))[-1] == "end\n"
    assert store.inactive_job(1) is not None
    assert store.inactive_job(2) is None
    assert await store.check() == []
    await store.close()


async def test_a_batch_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    store = MemoryStore(StoreOptions(tmp_path))
    wrong = KvsTxn("nowhere", [("put", "a", "1")])
    with pytest.raises(BournError):
        await store.commit(Batch(jobs=[new(1)], logs=[(1, EVENTLOG, line("submit"))], kvs=[wrong]))
    assert store.job(1) is None
    await store.commit(Batch(jobs=[new(1)], logs=[(1, EVENTLOG, line("submit"))]))
    with pytest.raises(BournError):
        await store.commit(Batch(logs=[(1, EVENTLOG, line("clean"))], done=[JobDone(1, 1, 1.0)], kvs=[wrong]))
    assert list(store.events(1)) == [line("submit")]
    await store.close()
