from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING

import pytest

from bourn.broker.rundir import NOTE, SOCKET_PATH_MAX, leave, make_rundir, succeed
from bourn.errors import BournError

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_private_and_under_the_first_place_that_will_do(tmp_path: Path) -> None:
    path, made = make_rundir(None, {"XDG_RUNTIME_DIR": str(tmp_path / "absent"), "TMPDIR": str(tmp_path)})
    assert path.parent == tmp_path
    assert made
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_guests_can_pass_through_theirs(tmp_path: Path) -> None:
    run, tmp = tmp_path / "run", tmp_path / "tmp"
    run.mkdir()
    tmp.mkdir()
    path, _ = make_rundir(None, {"XDG_RUNTIME_DIR": str(run), "TMPDIR": str(tmp)}, guests=True)
    assert path.parent == tmp
    assert stat.S_IMODE(path.stat().st_mode) == 0o711


def test_a_place_too_deep_for_a_socket_is_passed_over(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * SOCKET_PATH_MAX)
    deep.mkdir()
    path, _ = make_rundir(None, {"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(tmp_path)})
    assert path.parent == tmp_path


def test_one_that_is_wanted_is_made_or_taken(tmp_path: Path) -> None:
    assert make_rundir(str(tmp_path / "a" / "b"), {}) == (tmp_path / "a" / "b", True)
    assert make_rundir(str(tmp_path / "a"), {}) == (tmp_path / "a", False)


def test_one_that_is_wanted_but_too_deep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BournError, match="the system takes 107"):
        make_rundir(str(tmp_path / ("d" * 120)), {})


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path / "local"))
    sock.listen()
    return sock


def test_one_in_use_is_refused(tmp_path: Path) -> None:
    with listening(tmp_path), pytest.raises(BournError, match="another instance uses it"):
        make_rundir(str(tmp_path), {})


def test_the_socket_that_a_killed_broker_left_is_removed(tmp_path: Path) -> None:
    listening(tmp_path).close()
    assert make_rundir(str(tmp_path), {}) == (tmp_path, False)
    assert not (tmp_path / "local").exists()


def test_a_file_by_the_name_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "local").touch()
    with pytest.raises(BournError, match="a file has it"):
        make_rundir(str(tmp_path), {})


def test_who_succeeds_a_killed_broker_removes_its_directory(tmp_path: Path) -> None:
    dead, alive, own, other = (tmp_path / name for name in ("bourn-1", "bourn-2", "bourn-3", "other"))
    for path in (dead, alive, own, other):
        path.mkdir()
    listening(dead).close()
    with listening(alive):
        for path, stays in ((dead, False), (alive, True), (other, True), (own, True)):
            (tmp_path / NOTE).write_text(f"{path}\n")
            succeed(tmp_path, own)
            assert path.exists() == stays
            assert (tmp_path / NOTE).read_text() == f"{own}\n"
    leave(tmp_path, other)
    assert (tmp_path / NOTE).exists()
    leave(tmp_path, own)
    assert not (tmp_path / NOTE).exists()
