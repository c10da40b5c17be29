"""Which run directories are removed, and which stay."""

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

import pytest

from bourn import abandoned
from bourn.broker.rundir import make_rundir
from bourn.shell.tmpdirs import TmpDirs

if TYPE_CHECKING:
    from pathlib import Path

NAME = "bourn-0123abcd"


def dead(parent: Path, name: str = NAME) -> Path:
    """Return the run directory of a broker that was killed."""
    path = parent / name
    path.mkdir()
    (path / abandoned.LOCK).touch()
    (path / "local").touch()
    return path


def make(parent: Path) -> Path:
    path, _ = make_rundir(None, {"TMPDIR": str(parent)})
    return path


def test_who_makes_one_removes_those_of_dead_brokers_beside_it(tmp_path: Path) -> None:
    gone = dead(tmp_path)
    first = make(tmp_path)
    assert not gone.exists()
    second = make(tmp_path)
    assert first.exists()
    for path in (first, second):
        abandoned.let_go(str(path))
    third = make(tmp_path)
    assert os.listdir(tmp_path) == [third.name]
    abandoned.let_go(str(third))


def test_what_may_be_another_s_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "bourn-00000001"
    link.symlink_to(dead(elsewhere))
    other = dead(tmp_path, "bourn-jobtmp-1")
    new = tmp_path / "bourn-00000002"
    new.mkdir()  # no lock: it is just being made, or was by something older
    served = dead(tmp_path, "bourn-00000003")
    (served / "local").unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(served / "local"))
        sock.listen()
        abandoned.clear(str(tmp_path))
    for path in (link, elsewhere / NAME, other, new, served):
        assert path.exists()
    abandoned.clear(str(tmp_path))
    assert not served.exists()
    abandoned.clear(str(tmp_path / "nowhere"))


def test_one_that_was_taken_for_abandoned_before_it_was_locked_isn_t_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def lose(fd: int, how: int) -> None:
        flock(fd, how)
        monkeypatch.setattr(fcntl, "flock", flock)
        (found,) = tmp_path.glob(f"*/{abandoned.LOCK}")
        found.unlink()
        found.parent.rmdir()

    monkeypatch.setattr(fcntl, "flock", lose)
    path = make(tmp_path)
    assert os.listdir(tmp_path) == [path.name]
    abandoned.let_go(str(path))


@pytest.mark.parametrize("lives", [False, True])
def test_at_the_end_of_a_job_its_brokers_are_looked_after(tmp_path: Path, lives: bool) -> None:
    pool = TmpDirs(str(tmp_path), "7-1")
    job = pool.of(1)
    path = make(tmp_path)
    assert abandoned.note(job, str(path))
    assert abandoned.note(job, str(tmp_path / "given")) == ""
    assert abandoned.note(str(tmp_path / "nowhere"), str(path)) == ""
    if not lives:
        abandoned.let_go(str(path))
    pool.release(1)
    assert path.exists() == lives
    abandoned.let_go(str(path))


def test_notes_that_are_none_do_no_harm(tmp_path: Path) -> None:
    victim = dead(tmp_path)
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / f"{abandoned.NOTE}bourn-00000001").write_text(str(victim))
    (tmp_path / "job" / f"{abandoned.NOTE}{NAME}").write_bytes(b"\xff\0")
    abandoned.remove_noted(str(tmp_path / "job"))
    assert victim.exists()
