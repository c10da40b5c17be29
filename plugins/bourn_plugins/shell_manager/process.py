"""Which process a shell host is, told apart from any that gets its number later; the end of what it left."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from bourn.model.jobid import f58_digits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@frozen
class HostProcess:
    """A process by number and time of start, which no other process of this machine ever has."""

    pid: int
    start: str
    """The machine's boot and the clock ticks from there on; "" where the process was gone already."""
    name: str = ""
    """The host's own."""

    @classmethod
    def of(cls, pid: int, name: str = "") -> HostProcess:
        """Return the process that has a number now."""
        return cls(pid, _start(pid), name)

    @classmethod
    def read(cls, record: Path) -> HostProcess | None:
        """Return what `write` has written; None where nothing, or something else, is there."""
        try:
            found = json.loads(record.read_text())
            return cls(int(found["pid"]), str(found["start"]), str(found.get("name", "")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, record: Path) -> None:
        """Note it for the next broker; on a full disk that one has nothing to go by."""
        with suppress(OSError):
            record.write_text(json.dumps({"pid": self.pid, "start": self.start, "name": self.name}))

    @property
    def alive(self) -> bool:
        """Whether the process runs, and is no other that has its number by now."""
        return bool(self.start) and _start(self.pid) == self.start

    @property
    def replaced(self) -> bool:
        """Whether another process has its number."""
        now = _start(self.pid, dead_too=True)
        return bool(now) and now != self.start

    async def ended(self) -> None:
        """Wait until it is gone; it is reaped if it is a child."""
        try:
            fd = os.pidfd_open(self.pid)
        except OSError:
            return
        try:
            if self.alive:
                await trio.lowlevel.wait_readable(fd)
        finally:
            os.close(fd)
        if not self.replaced:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)  # noqa: ASYNC222  it doesn't wait

    def kill_family(self) -> int:
        """Kill what is left of the session that the host led, and descendants in others; return how many.

        A number stays taken while a session goes by it: if another process has it, nothing is left of ours.
        """
        if not self.start or self.replaced:
            return 0
        found: set[int] = set()
        children: dict[int, list[int]] = {}
        for pid in _pids():
            fields = _stat(pid)
            if fields and fields[0] != b"Z":
                children.setdefault(int(fields[1]), []).append(pid)
                if int(fields[3]) == self.pid:
                    found.add(pid)
        family = [*found]
        for pid in family:
            family += [child for child in children.get(pid, ()) if child not in found]
            found.update(family)
        return _kill(found)


def kill_marked(uris: Iterable[str], jobs: Iterable[int]) -> int:
    """Kill the processes whose environment says that they belong to jobs of an instance, whatever session
    they fled to; return how many there were.
    """
    addresses = {b"BOURN_URI=" + uri.encode() for uri in uris if uri}
    ids = {b"BOURN_JOB_ID=" + ("ƒ" + f58_digits(id)).encode() for id in jobs}
    if not addresses or not ids:
        return 0
    found = set()
    for pid in _pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                marks = set(file.read().split(b"\0"))
        except OSError:
            continue
        if not marks.isdisjoint(ids) and not marks.isdisjoint(addresses):
            found.add(pid)
    return _kill(found)


def _kill(pids: set[int]) -> int:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def _pids() -> list[int]:
    me = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != me]


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the state on; none where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # pid (command) state ppid pgrp session ...; the command may hold anything.
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _start(pid: int, *, dead_too: bool = False) -> str:
    fields = _stat(pid)
    if not fields or (fields[0] == b"Z" and not dead_too):
        return ""
    return f"{_boot()} {fields[19].decode()}"


def _boot() -> str:
    global _boot_id
    if not _boot_id:
        with open("/proc/sys/kernel/random/boot_id") as file:
            _boot_id = file.read().strip()
    return _boot_id


_boot_id = ""
