"""A state directory that can't be used is refused in one line, and not a byte of it is changed."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.robust.program import BOURN, Instance, start

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = (
    f"{BOURN} submit --begin-time=+1h true && {BOURN} submit --urgency=0 true"
    f" && {BOURN} submit --wait echo hi"
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of an instance that ended with pending, held and finished jobs."""
    path = tmp_path_factory.mktemp("good") / "state"
    done = start(f"-Sstatedir={path}", "--", "sh", "-c", JOBS)
    assert (done.returncode, done.stderr) == (0, "")
    return path


@pytest.fixture
def state(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "state"))


def picture(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.iterdir()
    }


def refused(state: Path, option: str = "") -> str:
    """Start on it, check that it's refused and untouched, and return the message."""
    before = picture(state) if state.is_dir() else state.read_bytes()
    done = start(option or f"-Sstatedir={state}", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith("bourn-start: error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert (picture(state) if state.is_dir() else state.read_bytes()) == before
    assert str(state) in done.stderr
    return done.stderr


def garbage(db: Path) -> None:
    db.write_bytes(random.Random(1).randbytes(50_000))


def text(db: Path) -> None:
    db.write_text("a letter\n")


def cut(db: Path) -> None:
    os.truncate(db, db.stat().st_size // 2)


def holes(db: Path) -> None:
    with db.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(12288))


def statement(sql: str) -> Callable[[Path], None]:
    def change(db: Path) -> None:
        connection = sqlite3.connect(db)
        connection.executescript(sql)
        connection.close()

    return change


def only_log(db: Path) -> None:
    db.rename(db.with_name(db.name + "-wal"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (garbage, "corrupt or not a database of Bourn"),
        (text, "corrupt or not a database of Bourn"),
        (cut, "corrupt: "),
        (holes, "corrupt: "),
        (only_log, "missing or empty, but what was last written to it is still in bourn.sqlite-wal"),
        (statement("PRAGMA application_id = 7"), "belongs to another program"),
        (statement("PRAGMA user_version = 99"), "written by a newer Bourn (schema 99"),
        (statement("DROP TABLE log"), "corrupt: there is no table 'log'"),
    ],
)  # fmt: skip
def test_a_spoilt_one(state: Path, spoil: Callable[[Path], None], words: str) -> None:
    spoil(state / "bourn.sqlite")
    assert words in refused(state)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE resource SET data = 'nonsense'", "the resource eventlog is corrupt"),
        ("""UPDATE resource SET data = '{"timestamp":1,"name":"drain","context":{}}'""",
         "the resource eventlog is corrupt"),
        ("UPDATE meta SET value = 'nonsense'", "the job store is corrupt: its note '"),
    ],
)  # fmt: skip
def test_a_sound_database_with_nonsense_in_it(state: Path, sql: str, words: str) -> None:
    statement(sql)(state / "bourn.sqlite")
    done = start(f"-Sstatedir={state}", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (1, ""), done
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE log SET data = 'nonsense' WHERE name = 1",
        "UPDATE log SET data = '{}' WHERE name = 1",
        """UPDATE log SET data = '{"timestamp":1,"name":"nonsense"}' WHERE name = 1""",
        "UPDATE log SET data = '[]' WHERE name = 1",
        "UPDATE spec SET data = x'00'",
        "UPDATE spec SET data = CAST('[]' AS BLOB)",
        "UPDATE job SET overrides = '[1'",
    ],
)
def test_a_job_that_can_not_be_read_is_named_and_the_instance_serves(state: Path, sql: str) -> None:
    statement(sql)(state / "bourn.sqlite")
    done = start(f"-Sstatedir={state}", "--", "sh", "-c", f"{BOURN} submit --wait true && {BOURN} jobs -a")
    assert done.returncode == 0, done
    assert done.stderr.count("is left out, its journal is broken: ") == 2, done.stderr
    assert done.stderr.count("\n") == 2, done.stderr


@pytest.mark.parametrize("seed", range(12))
def test_bytes_changed_anywhere(state: Path, seed: int) -> None:
    """It is refused untouched, or serves: never a traceback."""
    dice = random.Random(seed)
    db = state / "bourn.sqlite"
    data = bytearray(db.read_bytes())
    for _ in range(40):
        at = dice.randrange(len(data) - 64)
        data[at : at + 8] = dice.randbytes(8)
    db.write_bytes(data)
    before = picture(state)
    done = start(f"-Sstatedir={state}", "--", BOURN, "jobs", "-a")
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode == 1 and "was left as it is" in done.stderr:
        assert picture(state) == before


@pytest.fixture(scope="module")
def log_left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a broker that was killed: what it wrote last is in the log only."""
    folder = tmp_path_factory.mktemp("killed")
    with Instance(folder, f"-Sstatedir={folder}/state") as instance:
        for _ in range(3):
            assert instance.bourn("submit --urgency=0 true").returncode == 0
        instance.kill()
    return folder / "state"


@pytest.fixture
def killed(log_left: Path, tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir()
    for name in ("bourn.sqlite", "bourn.sqlite-wal"):
        shutil.copy(log_left / name, state)
    return state


def log_of(state: Path) -> Path:
    return state / "bourn.sqlite-wal"


def garbage_in_front(log: Path) -> None:
    with log.open("r+b") as file:
        file.write(random.Random(1).randbytes(100))


def one_bit(log: Path) -> None:
    data = bytearray(log.read_bytes())
    data[18] ^= 1
    log.write_bytes(data)


@pytest.mark.parametrize("spoil", [garbage_in_front, one_bit])
def test_a_log_that_is_none(killed: Path, spoil: Callable[[Path], None]) -> None:
    spoil(log_of(killed))
    words = "corrupt: bourn.sqlite-wal, with what was last written to it, can't be read"
    assert words in refused(killed)
    assert words in refused(killed, f"--recovery={killed}")


@pytest.mark.parametrize("most", [1000, 33])
def test_a_log_that_was_cut_off_in_the_middle_of_a_write(killed: Path, most: int) -> None:
    log = log_of(killed)
    with log.open("ab") as file:
        file.write(random.Random(2).randbytes(most))
    for option in (f"--recovery={killed}", f"-Sstatedir={killed}"):
        done = start(option, "--", BOURN, "jobs", "-no", "{urgency}")
        assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["0"] * 3, "")


def emptied(db: Path) -> None:
    log_of(db.parent).unlink()
    os.truncate(db, 0)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (garbage, "corrupt or not a database of Bourn"),
        (cut, "corrupt: "),
        (emptied, "bourn.sqlite is empty, so there is nothing to recover"),
        (Path.unlink, "there is no bourn.sqlite"),
    ],
)  # fmt: skip
def test_what_is_no_database_is_not_recovered(
    killed: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(killed / "bourn.sqlite")
    assert words in refused(killed, f"--recovery={killed}")


def test_one_in_use(state: Path, tmp_path: Path) -> None:
    with Instance(tmp_path, f"-Sstatedir={state}") as instance:
        done = start(f"-Sstatedir={state}", "--", "echo", "started")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"is in use by the broker with process id {instance.process.pid}" in done.stderr
        assert done.stderr.count("\n") == 1
        assert instance.bourn("jobs -a").stdout.count("\n") == 4
        assert instance.end() == 0


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine\n")
    assert "not a directory" in refused(path)


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine\n")
    done = start(f"-Sstatedir={tmp_path}/file/state", "--", "echo", "started")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "can't be made" in done.stderr


def test_no_name() -> None:
    done = start("-Sstatedir=", "--", "echo", "started")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "bourn-start: error: -S statedir=: name a directory\n",
    )


def test_a_directory_that_is_missing_is_made(tmp_path: Path) -> None:
    done = start(f"-Sstatedir={tmp_path}/a/b", "--", "echo", "started")
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700


def test_a_read_only_one(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    if os.geteuid() == 0:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", state], capture_output=True, text=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"a read-only file system can't be mounted here: {mounted.stderr.strip()}")
    else:
        state.chmod(0o500)
    try:
        assert "can't be written to" in refused(state)
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", state], check=True)
