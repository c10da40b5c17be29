"""The pool of jobs' temporary directories."""

import os

from bourn.shell.tmpdirs import TmpDirs


def test_an_unused_directory_is_used_again_and_a_used_one_isn_t(tmp_path):
    pool = TmpDirs(str(tmp_path), "7-1")
    first = pool.of(1)
    assert pool.of(1) == first
    assert pool.of(2) != first
    pool.release(1)
    assert pool.of(3) == first
    with open(f"{first}/file", "w"):
        pass
    pool.release(3)
    assert not os.path.exists(first)
    used = pool.of(2)
    with open(f"{used}/file", "w"):
        pass
    os.unlink(f"{used}/file")
    pool.release(2)
    assert not os.path.exists(used)


def test_what_a_job_removed_itself_and_unknown_jobs_don_t_matter(tmp_path):
    pool = TmpDirs(str(tmp_path), "7-1")
    os.rmdir(pool.of(1))
    pool.release(1)
    pool.release(99)
    assert os.path.isdir(pool.of(2))


def test_all_goes_at_the_end(tmp_path):
    pool = TmpDirs(str(tmp_path), "7-1")
    pool.close()
    pool.of(1)
    assert os.stat(pool.of(2)).st_mode & 0o777 == 0o700
    pool.close()
    assert os.listdir(tmp_path) == []
