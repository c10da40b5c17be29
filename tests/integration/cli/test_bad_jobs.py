"""Jobs that can't run: one clear line, and the exit status that a shell would give."""

import os
from pathlib import Path

import pytest

ELF_MACHINE = slice(18, 20)
AARCH64, X86_64 = 183, 62


@pytest.fixture(scope="module")
def programs(bourn):
    """Fill the directory in which the commands run."""

    def write(name, content, mode=0o755):
        (bourn.cwd / name).write_bytes(content)
        (bourn.cwd / name).chmod(mode)

    write("forbidden", b"#!/bin/sh\n", 0o644)
    write("interpreter", b"#!/no/such/interpreter\n")
    write("carriage", b"#!/bin/sh\r\n")
    write("text", b"echo hello\n")
    write("empty", b"")
    foreign = bytearray(Path("/bin/true").read_bytes())
    other = X86_64 if os.uname().machine == "aarch64" else AARCH64
    foreign[ELF_MACHINE] = other.to_bytes(2, "little")
    write("foreign", bytes(foreign))
    (bourn.cwd / "directory").mkdir()


@pytest.mark.parametrize(
    ("line", "message", "code"),
    [
        ("nosuch", "nosuch: command not found", 127),
        ("./nosuch", "./nosuch: No such file or directory", 127),
        ("./forbidden", "./forbidden: Permission denied", 126),
        ("./interpreter", "./interpreter: its interpreter doesn't exist: /no/such/interpreter", 126),
        ("./carriage", "its interpreter doesn't exist: /bin/sh (the line ends with a carriage return)", 126),
        ("./text", "./text: it is no program, and has no #! line that names its interpreter", 126),
        ("./empty", "./empty: the file is empty", 126),
        ("./foreign", "./foreign: it is a program for ", 126),
        ("./directory", "./directory: Is a directory", 126),
        ("--cwd=/no/such true", "working directory /no/such: No such file or directory", 126),
        ("--cwd=/etc/passwd true", "working directory /etc/passwd: Not a directory", 126),
        ("-ocpu-affinty=on true", "-o cpu-affinty: there is no such shell option; did you mean", 126),
        ("-ocpu-affinity=pertask true", "-o cpu-affinity=pertask: right is on, off, per-task", 126),
        ("-opmi=pmx true", "-o pmi=pmx: right is ", 126),
        ("--taskmap=cycli true", "there is no such scheme; did you mean 'cyclic'?", 126),
        ("--taskmap=manual:[[0,1,3,1]] -n2 true", "the map has 3 tasks, the job 2", 126),
        ("--output=/no/dir/x true", "output file /no/dir/x: No such file or directory", 126),
        ("--input=/no/file true", "input file /no/file: No such file or directory", 126),
        ("--output={{taskd}} true", "there is no tag {{taskd}}; did you mean 'taskid'?", 126),
        ("-orlimit.nofil=1 true", "-o rlimit.nofil: there is no such limit; did you mean 'nofile'?", 126),
        ("-oexit-timeout=soon true", "-o exit-timeout: 'soon' is not a duration", 126),
        # What can be known before is refused at once.
        ("-n99 true", "needs 99 cores, the instance has 16", 1),
        ("-N9 true", "needs 9 nodes, the instance has 1", 1),
        ("--add-file=/no/file true", "--add-file: /no/file: No such file or directory", 1),
        ("--env-file=/no/file true", "environment file /no/file: No such file or directory", 1),
    ],
)
def test_one_line_says_what_and_why(bourn, programs, line, message, code):
    done = bourn(f"run {line}")
    told = [text for text in done.err.splitlines() if message in text]
    assert len(told) == 1, done.err
    assert done.code == code
    assert done.out == ""
