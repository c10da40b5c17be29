"""URI resolver `slurm`: the instance that runs in a Slurm job.

It is looked for among this host's processes, and where it isn't here, among those of the job's first node.
"""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.uri import UriResolver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ANSWER_SECONDS = 60.0
"""How long Slurm may take to answer."""


def from_slurm(target: str) -> str:
    """Return the address of the instance in a Slurm job."""
    if not target.isdecimal():
        raise BournError(f"slurm:{target}: not the number of a Slurm job")
    state = _slurm(target, "squeue", "--noheader", f"--jobs={target}", "--format=%T").split()
    if not state:
        raise BournError(f"slurm:{target}: Slurm has no such job any more", errno.ENOENT)
    if state[0] != "RUNNING":
        raise BournError(f"slurm:{target}: the Slurm job is in state {state[0]}", errno.ENOENT)
    found = _here(target)
    if found is not None:
        return found
    hosts = _slurm(target, "squeue", "--noheader", f"--jobs={target}", "--format=%B").split()
    there = ["srun", "--overlap", f"--jobid={target}", f"--nodelist={hosts[0]}", "--nodes=1", "--ntasks=1"]
    return _slurm(target, *there, "--mpi=none", "bourn", "uri", "--remote", f"slurmnode:{target}").strip()


def from_node(target: str) -> str:
    """Return the address of the instance in a Slurm job of which this is a node; `from_slurm` asks for it."""
    found = _here(target)
    if found is None:
        raise BournError(f"slurm:{target}: no instance runs in the Slurm job", errno.ENOENT)
    return found


def _here(job: str) -> str | None:
    """Return the address that a broker of the job on this host has given its initial program."""
    from bourn.plugins.uri import resolve_uri

    for pid in _processes(job):
        try:
            return resolve_uri(f"pid:{pid}")
        except BournError:
            continue  # the broker of a rank other than 0, or one that hasn't got as far
    return None


def _processes(job: str) -> Iterator[str]:
    mark = f"\0SLURM_JOB_ID={job}\0".encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid != os.getuid():
                continue
            words = (path / "cmdline").read_bytes().split(b"\0")
            if b"start" in words[:3] and mark in b"\0" + (path / "environ").read_bytes():
                yield path.name
        except OSError:
            continue  # it has ended


def _slurm(job: str, *command: str) -> str:
    """Run a command of Slurm and return what it prints."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise BournError(f"slurm:{job}: {command[0]} isn't installed here", errno.ENOENT) from None
    except subprocess.TimeoutExpired:
        raise BournError(f"slurm:{job}: {command[0]} didn't answer within {ANSWER_SECONDS:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{command[0]} failed"]
        raise BournError(f"slurm:{job}: Slurm says: {lines[-1]}", errno.ENOENT)
    return done.stdout


@hookimpl
def bourn_uri_resolvers() -> Iterable[UriResolver]:
    """Register `slurm`, and what it asks on other nodes."""
    yield UriResolver("slurm", from_slurm, "the instance in a Slurm job, as slurm:JOBID")
    yield UriResolver("slurmnode", from_node, "the same, on a node of the job")
