"""What is not a sound state directory of this version, or in use, is refused and left as it was."""

import errno
import os
import re
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from bourn.errors import BournError
from bourn.hookspecs.store import Batch, StoreOptions
from bourn_plugins.store.opening import describe
from bourn_plugins.store.schema import APPLICATION_ID
from bourn_plugins.store.sqlite import open_sqlite


def snapshot(directory: Path) -> dict[str, bytes]:
    return {
        p.name: p.read_bytes()
        for p in directory.iterdir()
        if p.name != "lock" and not p.name.endswith("-shm")
    }


async def make(directory: Path) -> Path:
    store = open_sqlite(StoreOptions(directory))
    for i in range(300):
        await store.commit(Batch(meta={f"key{i}": "x" * 500}))
    await store.close()
    return store.path


def refused(directory: Path, pattern: str) -> BournError:
    before = snapshot(directory)
    with pytest.raises(BournError, match=pattern) as caught:
        open_sqlite(StoreOptions(directory))
    assert snapshot(directory) == before
    assert "\n" not in caught.value.message
    assert str(directory) in caught.value.message
    return caught.value


async def test_garbage(tmp_path: Path) -> None:
    (tmp_path / "bourn.sqlite").write_bytes(b"not a database at all" * 100)
    refused(tmp_path, "corrupt or not a database")


async def test_a_short_file(tmp_path: Path) -> None:
    (tmp_path / "bourn.sqlite").write_bytes(b"SQLite format 3\0")
    refused(tmp_path, "corrupt or not a database")


async def test_the_database_of_another_program(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "bourn.sqlite")
    db.execute("CREATE TABLE t (x)")
    db.commit()
    db.close()
    refused(tmp_path, "belongs to another program")


async def test_a_newer_schema(tmp_path: Path) -> None:
    path = await make(tmp_path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    refused(tmp_path, "newer Bourn .schema 99")
    assert APPLICATION_ID == 0x424F5552


async def test_a_truncated_file(tmp_path: Path) -> None:
    path = await make(tmp_path)
    os.truncate(path, path.stat().st_size // 2)
    refused(tmp_path, "is corrupt")


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
async def test_damaged_pages(tmp_path: Path, place: float) -> None:
    path = await make(tmp_path)
    data = bytearray(path.read_bytes())
    at = int(len(data) * place) // 4096 * 4096
    data[at : at + 4096] = os.urandom(4096)
    path.write_bytes(data)
    refused(tmp_path, "is corrupt")


async def test_damage_beside_an_unfolded_log(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    await store.commit(Batch(meta={f"key{i}": "x" * 500 for i in range(300)}))
    await store.checkpoint()
    await store.commit(Batch(meta={"late": 1}))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("bourn.sqlite", "bourn.sqlite-wal"):
        (crashed / name).write_bytes((tmp_path / name).read_bytes())
    await store.close()
    sound = open_sqlite(StoreOptions(crashed))
    assert sound.meta("late") == 1
    await sound.close()
    data = bytearray((crashed / "bourn.sqlite").read_bytes())
    data[-4096 * 5 : -4096 * 3] = os.urandom(4096 * 2)
    (crashed / "bourn.sqlite").write_bytes(data)
    refused(crashed, "is corrupt")


async def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "bourn.sqlite").touch()
    store = open_sqlite(StoreOptions(tmp_path))
    assert store.max_jobid() == 0
    await store.close()


async def test_a_directory_in_use_names_the_holder(tmp_path: Path) -> None:
    store = open_sqlite(StoreOptions(tmp_path))
    with pytest.raises(BournError, match=f"in use by the broker with process id {os.getpid()}$") as caught:
        open_sqlite(StoreOptions(tmp_path))
    assert caught.value.errnum == errno.EBUSY
    await store.close()
    await open_sqlite(StoreOptions(tmp_path)).close()


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BournError, match="No such file or directory"):
        open_sqlite(StoreOptions(tmp_path / "nowhere"))


async def test_an_unknown_synchronous(tmp_path: Path) -> None:
    with pytest.raises(BournError, match="'fulll' is none of normal, full, off"):
        open_sqlite(StoreOptions(tmp_path, "fulll"))


def test_a_disk_too_full_for_the_shared_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    for free, said in ((20_000, "No space left on "), (1 << 20, "job store .*: disk I/O error")):
        disk = SimpleNamespace(f_bavail=free, f_frsize=1)
        monkeypatch.setattr(os, "statvfs", lambda path, disk=disk: disk)
        assert re.match(said, describe(error, tmp_path / "bourn.sqlite").message)
