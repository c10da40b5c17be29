"""Processes that tasks leave behind: they become children of the host, which ends them with their job.

A process group id stays taken only as long as the group has members, so the id of an ended task may belong to
somebody else later. Therefore a group whose leader has been waited for is signalled only after one of the
host's own orphans was found in it.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

INSTANCE_OF = "BOURN_PARENT_JOB_ID"
"""What an initial program finds in its environment: the job of the parent instance that its own one is."""

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def signal_group(pgid: int, signum: int) -> bool:
    """Send a signal (0: none) to a process group; return whether it has members."""
    try:
        os.killpg(pgid, signum)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Members exist, all of another user (a setuid program).
        return True
    return True


def children() -> Iterator[tuple[int, int]]:
    """Yield (pid, process group) of this process's children."""
    me = str(os.getpid()).encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # pid (command) state ppid pgrp ...; the command may hold anything.
                    fields = file.read().rpartition(b")")[2].split(None, 3)
            except OSError:
                continue
            if fields[1] == me:
                yield int(name), int(fields[2])


def kill_orphans(pgids: set[int], signum: int) -> None:
    """Send a signal to those of the groups, led by ended tasks, that hold orphans of ours."""
    for pgid in pgids.intersection(group for _, group in children()):
        signal_group(pgid, signum)


def kill_strays(job: str) -> None:
    """Kill our orphans whose environment says that they belong to a job, whatever group they fled to.

    Args:
        job: the job's id as it stands in BOURN_JOB_ID.
    """
    mark = b"\0BOURN_JOB_ID=" + job.encode() + b"\0"
    for pid, _ in children():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark in b"\0" + file.read() + b"\0":
                    os.kill(pid, signal.SIGKILL)
        except OSError:
            continue


def kill_programs(jobs: set[str], known: Container[int]) -> set[str]:
    """Kill our orphans that were run by brokers, tasks of jobs, that have died; return the jobs that had any.

    What they leave behind in turn becomes our orphan only once they are dead: repeat until nothing is found.

    Args:
        jobs: ids as they stand in `INSTANCE_OF`.
        known: processes that are none of them.
    """
    marks = {b"\0" + INSTANCE_OF.encode() + b"=" + job.encode() + b"\0": job for job in jobs}
    found = set()
    for pid, group in children():
        if pid in known:
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environ = b"\0" + file.read() + b"\0"
        except OSError:
            continue
        # Jobs of the dead instance have its program's environment, and a host that ends them.
        if b"\0BOURN_JOB_ID=" in environ:
            continue
        for mark, job in marks.items():
            if mark in environ:
                signal_group(group, signal.SIGKILL)
                found.add(job)
    return found


def signal_session(leader: int, signum: int) -> None:
    """Send a signal to every process group of a session, as those of an interactive shell's jobs."""
    for group in set(_groups(leader)):
        signal_group(group, signum)


def _groups(leader: int) -> Iterator[int]:
    sid = str(leader).encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # pid (command) state ppid pgrp session ...; the command may hold anything.
                    fields = file.read().rpartition(b")")[2].split(None, 4)
            except OSError:
                continue
            if fields[3] == sid:
                yield int(fields[2])


def kill_children() -> None:
    """Kill and wait for every child, those included that appear meanwhile; gives up on what can't be
    killed."""
    for _ in range(20):
        found = False
        for pid, _ in children():
            found = True
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        if not found:
            return
        _reap(found_within=0.1)


def _reap(found_within: float) -> None:
    import time

    end = time.monotonic() + found_within
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return
