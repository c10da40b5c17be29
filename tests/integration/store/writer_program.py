"""A process that writes batches and says which are acknowledged, until it is killed; it has a seed."""

import hashlib
import os
import random
import sys
from pathlib import Path

import trio

from bourn.errors import BournError
from bourn.hookspecs.store import EVENTLOG, OUTPUT, Batch, JobDone, KvsTxn, NewJob, StoreOptions
from bourn_plugins.store import writer
from bourn_plugins.store.sqlite import open_sqlite


async def main(directory: str, seed: int, synchronous: str) -> None:
    writer.WAL_BYTES = 256 << 10  # so that kills hit the folding of the log as well
    dice = random.Random(seed)
    store = open_sqlite(StoreOptions(Path(directory), synchronous))
    await store.commit(Batch(kvs=[KvsTxn("primary", [("ensure", 0, 0)])]))
    jobid = store.max_jobid()
    while True:
        for _ in range(dice.randrange(1, 6)):
            batch = Batch()
            for _ in range(dice.randrange(1, 12)):
                jobid += 1
                spec = b'{"spec":%d}' % dice.randrange(5)
                digest = hashlib.sha256(spec).digest()
                batch.jobs.append(NewJob(jobid, 1000, 16, 0, float(jobid), digest, spec))
                batch.logs.append((jobid, EVENTLOG, f'{{"name":"submit","id":{jobid}}}\n'))
                batch.logs.append((jobid, OUTPUT, "x" * dice.randrange(2000) + "\n"))
                if dice.random() < 0.7:
                    batch.done.append(JobDone(jobid, 1, float(jobid)))
            last = jobid
            batch.kvs.append(
                KvsTxn("primary", [("put", "last", str(last)), ("put", f"k{last % 7}", "x" * 99)])
            )
            batch.meta["last"] = last

            def acknowledge(error: BournError | None, last: int = last) -> None:
                if error is not None:
                    raise SystemExit(error.message)
                os.write(1, f"{last}\n".encode())

            store.write(batch, acknowledge)
        if dice.random() < 0.05:
            await store.commit(Batch(purge=store.purgeable(keep=300, limit=100)))
        await trio.lowlevel.checkpoint()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), sys.argv[3])
