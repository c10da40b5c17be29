"""Conformance check for store backends."""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from bourn.errors import BournError
from bourn.hookspecs.store import (
    ArrayRow,
    ArrayUpdate,
    Batch,
    JobDone,
    JobQuery,
    KvsTxn,
    NewJob,
    StoreOptions,
)
from bourn.testing.ensure import ensure, ensure_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.store import Store, StoreBackend

__all__ = ["check_store"]

SPEC = b'{"version":1,"resources":[],"tasks":[],"attributes":{"system":{"duration":0}}}'


def check_store(backend: StoreBackend) -> None:
    """Write jobs, logs and keys, and read them back; from a durable store again after it was closed and
    reopened.

    Batches must be atomic and in order, and told of in order; reads must see what was committed and nothing
    else; a KVS transaction that fails must leave no trace of its batch; a dump must restore to an equal
    store.
    """
    what = ensure_name(backend, "store")
    with tempfile.TemporaryDirectory(prefix="bourn-test-") as folder:
        trio.run(_use, backend, what, Path(folder))


async def _use(backend: StoreBackend, what: str, folder: Path) -> None:
    first, second = folder / "first", folder / "second"
    first.mkdir()
    second.mkdir()
    with trio.fail_after(30):
        store = backend.open(StoreOptions(first))
        await _write(store, what)
        _read(store, what)
        await _refuse(store, what)
        chunks = [chunk async for chunk in store.dump()]
        ensure(await store.check() == [], f"{what}: finds faults in itself: {await store.check()}")
        await store.close()
        if backend.durable:
            store = backend.open(StoreOptions(first))
            _read(store, f"{what}, reopened")
            await store.close()
        copy = backend.open(StoreOptions(second))
        await copy.restore(io.BytesIO(b"".join(chunks)))
        _read(copy, f"{what}, restored from a dump")
        await copy.close()


async def _write(store: Store, what: str) -> None:
    digest = hashlib.sha256(SPEC).digest()
    told: list[int] = []
    for id in range(1, 6):
        batch = Batch(
            jobs=[
                NewJob(id, 1000, 16, 0, float(id), digest, SPEC, idem_key=f"key{id}", name="test", queue="q")
            ],
            logs=[(id, "eventlog", f'{{"timestamp":{id}.0,"name":"submit"}}\n')],
            kvs=[KvsTxn("primary", [("ensure", 0, 0)])] if id == 1 else [],
        )
        store.write(batch, _note(told, id, what))
    await store.commit(Batch(meta={"answer": [42]}, resource=['{"timestamp":1.0,"name":"restart"}\n']))
    ensure(told == [1, 2, 3, 4, 5], f"{what}: told of five batches in the order {told}")
    await store.commit(
        Batch(
            done=[JobDone(1, 1, 9.0, t_run=5.0, waitstatus=0)],
            logs=[
                (1, "eventlog", '{"timestamp":9.0,"name":"clean"}\n'),
                (1, "guest.output", '{"timestamp":6.0}\n'),
            ],
            purge=[],
        )
    )
    await store.commit(Batch(done=[JobDone(2, 2, 10.0, waitstatus=256)]))
    await store.commit(Batch(purge=[2]))
    arrays = [
        ArrayRow(100 * n, 100 * n + 9, 1000, 16, 0, 1.0, digest, SPEC, "0-8", f"array{n}") for n in (1, 2)
    ]
    await store.commit(Batch(arrays=arrays))
    member = NewJob(101, 1000, 16, 0, 1.0, digest, SPEC)
    await store.commit(Batch(jobs=[member], done=[JobDone(101, 4, 8.0)]))
    changes = [ArrayUpdate(100, {"t_inactive": 11.0}), ArrayUpdate(200, {"urgency": 20, "ending": "{}"})]
    await store.commit(Batch(array_updates=changes))
    await store.commit(
        Batch(kvs=[KvsTxn("primary", [("put", "a.b", "1"), ("put", "a.c", "2"), ("unlink", "a.c")])])
    )


def _note(told: list[int], id: int, what: str) -> Callable[[BournError | None], None]:
    def done(error: BournError | None) -> None:
        ensure(error is None, f"{what}: refused a batch: {error}")
        told.append(id)

    return done


def _read(store: Store, what: str) -> None:
    ensure([job.id for job in store.active_jobs()] == [3, 4, 5], f"{what}: the active jobs are wrong")
    ensure(store.max_jobid() == 209, f"{what}: the greatest id is 209, not {store.max_jobid()}")
    ensure([row.id for row in store.arrays()] == [100, 200], f"{what}: the arrays are {store.arrays()}")
    ensure([row.id for row in store.arrays(active=False)] == [100], f"{what}: array 100 has ended")
    [left] = store.arrays(active=True)
    ensure(
        (left.spec_json, left.urgency, left.ending, left.members) == (SPEC, 20, "{}", "0-8"),
        f"{what}: array 200 is {left}",
    )
    ensure(store.array(200) == left, f"{what}: array 200 is {store.array(200)}")
    ensure(store.array(101) is None, f"{what}: finds an array by the id of a member")
    ensure(store.array_jobs(100, 109) == [101], f"{what}: one member of array 100 is a job")
    ensure(store.array_results(100, 109) == {4: 1}, f"{what}: the member of array 100 was cancelled")
    ensure(store.job_by_key(1000, "array2") == 200, f"{what}: doesn't find array 200 by its key")
    job = store.job(3)
    ensure(job is not None and job.spec_json == SPEC, f"{what}: job 3 lost its jobspec: {job}")
    ensure(store.job(2) is None, f"{what}: job 2 was purged and is there")
    ensure(store.job_by_key(1000, "key4") == 4, f"{what}: doesn't find job 4 by its idempotency key")
    ensure(store.job_by_key(1001, "key4") is None, f"{what}: finds a job by another user's idempotency key")
    log = "".join(store.events(1))
    ensure(
        log.count("\n") == 2 and log.endswith('"clean"}\n'), f"{what}: job 1 has another eventlog: {log!r}"
    )
    ensure(store.log_text(1, "guest.output") == '{"timestamp":6.0}\n', f"{what}: job 1 lost its output")
    rows = list(store.events(1))
    ensure(store.log_rows(1, "eventlog") == len(rows), f"{what}: the eventlog of job 1 has {len(rows)} rows")
    ensure(list(store.events(1, skip=1)) == rows[1:], f"{what}: the first row of a log isn't skipped")
    ensure(store.log_text(3, "guest.output") is None, f"{what}: job 3 has an output that nobody wrote")
    sequence = [row.seq for row in store.journal()]
    ensure(sequence == sorted(set(sequence)), f"{what}: the journal isn't in order: {sequence}")
    newer = [row.seq for row in store.journal(sequence[1])]
    ensure(newer == sequence[2:], f"{what}: the journal since {sequence[1]} is {newer}")
    finished = list(store.query_jobs(JobQuery()))
    ensure([record.id for record in finished] == [1, 101], f"{what}: the inactive jobs are {finished}")
    alone = [record.id for record in store.query_jobs(JobQuery(members=False))]
    ensure(alone == [1], f"{what}: the inactive jobs that are no members of arrays are {alone}")
    ensure(list(store.query_jobs(JobQuery(results=2))) == [], f"{what}: a query by result finds another")
    ensure(store.meta("answer") == [42], f"{what}: lost a fact")
    ensure(store.meta("question") is None, f"{what}: made up a fact")
    ensure("".join(store.resource_events()).count("\n") == 1, f"{what}: lost the resource eventlog")
    entry = store.kvs_get("primary", "a.b")
    ensure(entry is not None and entry.value == "1", f"{what}: a.b is {entry}")
    ensure(store.kvs_get("primary", "a.c") is None, f"{what}: a.c was unlinked and is there")
    ensure([e.name for e in store.kvs_dir("primary", "a")] == ["b"], f"{what}: the directory a is wrong")


async def _refuse(store: Store, what: str) -> None:
    bad = Batch(kvs=[KvsTxn("no-such-namespace", [("put", "x", "1")])], meta={"trace": True})
    try:
        await store.commit(bad)
    except BournError:
        pass
    else:
        raise AssertionError(f"{what}: takes a transaction on a namespace that isn't there")
    ensure(store.meta("trace") is None, f"{what}: a batch that was refused left a trace")
