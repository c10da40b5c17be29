"""A full disk refuses new work in words, loses nothing that was acknowledged, and is got over."""

import errno
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bourn.errors import BournError
from bourn.hookspecs.store import OUTPUT, Batch, JobDone, NewJob, StoreOptions
from bourn_plugins.store.sqlite import SqliteStore, open_sqlite

SPEC = b"{}"
HASH = hashlib.sha256(SPEC).digest()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small tmpfs can't be mounted here: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def work(i: int) -> Batch:
    return Batch(
        jobs=[NewJob(i, 0, 16, 0, 1.0, HASH, SPEC)],
        logs=[(i, OUTPUT, "x" * 20_000)],
        done=[JobDone(i, 1, float(i))],
    )


async def fill(store: SqliteStore) -> tuple[int, BournError]:
    for i in range(store.max_jobid() + 1, 1000):
        try:
            await store.commit(work(i))
        except BournError as e:
            return i, e
    raise AssertionError("4 MB held 20 MB")


@pytest.mark.parametrize("synchronous", ["normal", "full"])
async def test_a_full_disk(small_disk: Path, synchronous: str) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    store = open_sqlite(StoreOptions(small_disk, synchronous))
    refused, error = await fill(store)
    assert error.errnum == errno.ENOSPC
    assert error.message.startswith(f"No space left on {small_disk}")
    assert store.max_jobid() == refused - 1
    # Several at once: each is told.
    told: list[int] = []
    for i in range(refused, refused + 3):
        store.write(work(i), lambda e: told.append(e.errnum if e else 0))
    with pytest.raises(BournError, match="No space left"):
        await store.commit(work(refused + 3))
    assert told == [errno.ENOSPC] * 3
    ballast.unlink()
    await store.commit(work(refused))
    assert await store.check() == []
    await store.close()
    again = open_sqlite(StoreOptions(small_disk, synchronous))
    assert sum(1 for _ in again.journal()) == refused
    # Full at the start, too: it opens, and purging makes room.
    refused, error = await fill(again)
    await again.close()
    third = open_sqlite(StoreOptions(small_disk, synchronous))
    assert third.max_jobid() == refused - 1
    await third.close()
