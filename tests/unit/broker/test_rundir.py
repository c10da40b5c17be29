from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from bourn.broker.rundir import SOCKET_PATH_MAX, make_rundir
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


def test_one_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local").touch()
    with pytest.raises(BournError, match="another instance uses it"):
        make_rundir(str(tmp_path), {})
