"""`bourn archive`, and jobs that take files from archives: `-o stage-in`."""

import io
import os
import socket
import subprocess
import sys
import tarfile
from contextlib import nullcontext

import pytest

import bourn as bourn_api
from bourn.client import archive, kvs
from bourn.errors import BournError


@pytest.fixture
def h(bourn):
    with bourn_api.Handle(bourn.uri) as handle:
        yield handle


@pytest.fixture
def tree(bourn, tmp_path):
    """A directory with a text, a program of 2.5 MB, and a symbolic link."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "sub" / "binary").write_bytes(bytes(range(256)) * 10_000)
    (tmp_path / "sub" / "binary").chmod(0o750)
    (tmp_path / "link").symlink_to("sub/binary")
    yield tmp_path
    bourn("archive remove -f")


def test_there_and_back(bourn, tree, tmp_path_factory):
    bourn.ok(f"archive create -C {tree} text sub link")
    assert bourn.ok("archive list").splitlines() == ["text", "sub", "sub/binary", "link"]
    long = bourn.ok("archive list -l sub").splitlines()
    assert long[1].split()[:2] == ["-rwxr-x---", "2560000"]
    target = tmp_path_factory.mktemp("out") / "made"
    assert bourn.ok(f"archive extract -v -C {target}").splitlines() == ["text", "sub", "sub/binary", "link"]
    assert (target / "sub" / "binary").read_bytes() == (tree / "sub" / "binary").read_bytes()
    assert (target / "sub" / "binary").stat().st_mode & 0o777 == 0o750
    assert os.readlink(target / "link") == "sub/binary"


def test_nothing_is_replaced_unless_asked(bourn, tree, tmp_path_factory):
    bourn.ok(f"archive create -C {tree} text")
    again = bourn(f"archive create -C {tree} sub")
    assert again.err == "bourn-archive: error: archive main exists already; --overwrite replaces it\n"
    bourn.ok(f"archive create --overwrite -C {tree} sub")
    target = tmp_path_factory.mktemp("out")
    bourn.ok(f"archive extract -C {target} *binary")
    assert "exists already" in bourn(f"archive extract -C {target}").err
    bourn.ok(f"archive extract --overwrite -C {target}")
    assert not (target / "text").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("archive list -n nope", "there is no archive nope"),
        ("archive extract -n nope", "there is no archive nope"),
        ("archive remove -n nope", "there is no archive nope"),
        ("archive create -n a.b x", "'a.b' can't be the name of an archive"),
        ("archive create nofile", "nofile: No such file or directory"),
        ("archive create /etc/passwd", "give paths inside a directory; -C names it"),
        ("archive create ../x", "give paths inside a directory; -C names it"),
    ],
)
def test_mistakes(bourn, line, message):
    done = bourn(line)
    assert message in done.err
    assert done.code == 1
    assert bourn.ok("archive names") == ""


def test_a_pattern_that_fits_nothing(bourn, tree):
    bourn.ok(f"archive create -C {tree} text")
    assert bourn("archive extract nothing*").err.endswith("archive main has nothing that fits 'nothing*'\n")


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        (
            "../outside",
            pytest.raises(BournError, match=r"^archive forged: .* outside"),
        ),
        ("/outside", nullcontext()),
    ],
)
def test_a_forged_archive_writes_nowhere_else(h, tmp_path, name, refused):
    stream = io.BytesIO()
    with tarfile.open(mode="w|", fileobj=stream) as tar:
        member = tarfile.TarInfo(name)
        member.size = 3
        tar.addfile(member, io.BytesIO(b"bad"))
    forged = kvs.Transaction().put_raw("archive.forged.0", stream.getvalue())
    forged.put("archive.forged.index", {"chunks": 1}).commit(h, "primary")
    with refused:
        archive.extract(h, "forged", str(tmp_path / "in"))
    archive.remove(h, "forged")
    assert not (tmp_path / "outside").exists()
    assert not os.path.exists("/outside")


def test_a_job_finds_the_files_in_its_temporary_directory(bourn, tree):
    bourn.ok(f"archive create -C {tree} .")
    done = bourn.words("run", "-o", "stage-in", "sh", "-c", "cat {{tmpdir}}/text; wc -c <{{tmpdir}}/link")
    assert done.out == "hello\n2560000\n", done.err


def test_chosen_files_into_another_directory(bourn, tree, tmp_path_factory):
    target = tmp_path_factory.mktemp("out")
    bourn.ok(f"archive create -n other -C {tree} .")
    options = [f"-ostage-in.destination={target}/{{{{id}}}}", "-ostage-in.names=other"]
    done = bourn.words("run", *options, "-ostage-in.pattern=t*", "sh", "-c", f"ls {target}/$BOURN_JOB_ID")
    assert done.out == "text\n", done.err
    bourn.ok("archive remove -n other")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("stage-in.names=nope", "-o stage-in: there is no archive nope"),
        ("stage-in.destination=/proc/nowhere", "-o stage-in: /proc/nowhere: No such file or directory"),
        ("stage-in.destination=glob:/x", "right is DIR, local:DIR or global:DIR; did you mean 'global'?"),
        ("stage-in.destination={{tmp}}/x", "there is no tag {{tmp}}; did you mean 'tmpdir'?"),
        ("stage-in.name=x", "-o stage-in.name: there is no such shell option; did you mean 'names'?"),
    ],
)
def test_what_can_t_be_staged_in_fails_the_job_before_it_starts(bourn, tree, option, message):
    bourn.ok(f"archive create -C {tree} text")
    done = bourn.words("run", f"-o{option}", "touch", str(tree / "ran"))
    assert message in done.err
    assert done.code == 126
    assert not (tree / "ran").exists()


def test_who_extracts_is_silent_when_the_job_has_ended():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b'{"uri": "local:///nowhere", "names": ["main"], "pattern": "*", "folder": "/"}\n')
        ours.shutdown(socket.SHUT_RD)
        command = [sys.executable, "-m", "bourn_shell_plugins.stage_in.fetch"]
        done = subprocess.run(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
