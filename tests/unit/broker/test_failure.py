"""What a broker that fails by a mistake of ours leaves: one line, and a file."""

from __future__ import annotations

import errno
import tempfile
from typing import TYPE_CHECKING

import pytest
import trio

from bourn.broker.failure import one_line
from bourn.errors import BournError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("statedir", [True, False])
def test_an_unexpected_exception_is_one_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statedir: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def broker() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            async with trio.open_nursery():
                raise ValueError("two\nlines")

    with pytest.raises(BournError) as caught, one_line(tmp_path if statedir else None):
        trio.run(broker)
    (path,) = tmp_path.iterdir()
    assert caught.value.message == (
        f"the broker failed unexpectedly: ValueError: two lines (the details are in {path})"
    )
    assert "Traceback" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_no_file_can_be_written_there_is_still_the_line(tmp_path: Path) -> None:
    with (
        pytest.raises(BournError, match=r"KeyError: 'x' \(.*No such file or directory"),
        one_line(tmp_path / "no"),
    ):
        raise KeyError("x")


def test_what_is_said_in_one_line_already_stays(tmp_path: Path) -> None:
    with pytest.raises(BournError, match=r"^said$") as caught, one_line(tmp_path):
        raise ExceptionGroup("", [ExceptionGroup("", [BournError("said", errno.EPERM)])])
    assert caught.value.errnum == errno.EPERM
    with pytest.raises(FileNotFoundError), one_line(tmp_path):
        (tmp_path / "nothing").read_text()
    assert not list(tmp_path.iterdir())
