"""Run directories whose broker is no more. A broker locks its own; the lock goes with it however it ends.

Who removes those of brokers that were killed: the next broker of the same user that makes its own beside
them; the shell host, at the end of a job that was such a broker, by a note in the job's private directory.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress

RUNDIR = re.compile(r"bourn-[0-9a-f]{8}")
"""The names of run directories that brokers made by themselves."""
NOTE = "rundir-"
"""What the names of notes in a job's private directory begin with; the rest is the run directory's name."""

LOCK = "broker.lock"
"""The file in a run directory that its broker has locked. One without it is another's, or not made yet."""

_held: dict[str, int] = {}


def hold(path: str) -> bool:
    """Lock a run directory that was just made; False if somebody has taken it for abandoned meanwhile."""
    try:
        fd = os.open(f"{path}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.path.samestat(os.fstat(fd), os.stat(f"{path}/{LOCK}"))
    except (BlockingIOError, FileNotFoundError):
        there = False
    except OSError:
        there = True  # not every file system has locks; without one nobody removes it
        os.unlink(f"{path}/{LOCK}")
    if there:
        _held[path] = fd
    else:
        os.close(fd)
    return there


def let_go(path: str) -> None:
    """Give the lock on a run directory back."""
    fd = _held.pop(path, -1)
    if fd >= 0:
        os.close(fd)


def clear(parent: str) -> None:
    """Remove this user's run directories in a directory whose brokers are no more."""
    with suppress(OSError), os.scandir(parent) as entries:
        for name in [entry.name for entry in entries if RUNDIR.fullmatch(entry.name)]:
            remove(f"{parent}/{name}")


def remove(path: str) -> None:
    """Remove a run directory, unless its broker lives, or one of those that it has forked."""
    try:
        fd = os.open(f"{path}/{LOCK}", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.lstat(path).st_uid == os.fstat(fd).st_uid == os.getuid()
        if ours and not os.path.islink(path) and not listened_to(path):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # somebody has it
    finally:
        os.close(fd)


def listened_to(path: str) -> bool:
    """Return whether a broker serves there; the socket of one that was killed refuses."""
    import socket

    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(f"{path}/local")
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True  # not ours to tell
    return True


def note(job_tmpdir: str, path: str) -> str:
    """Note in a job's private directory that a broker of the job has made itself a run directory; return the
    note's name, or "" where there is none.
    """
    name = f"{job_tmpdir}/{NOTE}{os.path.basename(path)}"
    if not RUNDIR.fullmatch(os.path.basename(path)):
        return ""
    try:
        with open(name, "x", encoding="utf-8") as file:
            file.write(path)
    except OSError:
        return ""
    return name


def remove_noted(job_tmpdir: str) -> None:
    """Remove the run directories that are noted in the private directory of a job that has ended."""
    with suppress(OSError, ValueError):
        for name in os.listdir(job_tmpdir):
            if name.startswith(NOTE) and RUNDIR.fullmatch(name[len(NOTE) :]):
                with open(f"{job_tmpdir}/{name}", encoding="utf-8") as file:
                    path = file.read(4096)
                if os.path.basename(path) == name[len(NOTE) :]:
                    remove(path)
