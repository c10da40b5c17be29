import os

import pytest

from bourn.shell.spool import Spool


def test_what_is_put_there_comes_back_and_no_name_is_left(tmp_path):
    spool = Spool(str(tmp_path), 100)
    places = [spool.append(text) for text in (b"one", bytearray(b"two"), b"")]
    assert [spool.read(*place) for place in places] == [b"one", b"two", b""]
    assert os.listdir(tmp_path) == []


def test_the_bound_holds_until_all_is_forgotten(tmp_path):
    spool = Spool(str(tmp_path), 10)
    assert spool.append(b"x" * 8)
    assert spool.append(b"x" * 3) is None
    assert spool.full
    assert spool.append(b"x") is None, "what comes later must not overtake"
    spool.clear()
    assert not spool.full
    assert spool.append(b"x" * 10)


def test_a_folder_that_cannot_be_written_to_is_a_full_one(tmp_path):
    spool = Spool(str(tmp_path / "none"), 10)
    assert spool.append(b"x") is None
    assert spool.full


def test_what_the_disk_has_lost_is_an_error(tmp_path):
    spool = Spool(str(tmp_path), 10)
    offset, size = spool.append(b"12345")
    with pytest.raises(OSError, match="are gone"):
        spool.read(offset, size + 1)
