"""Process management for parallel programs: an MPI library's tasks find each other through PMI-1 (RFC 13)."""

from __future__ import annotations

from functools import partial
from signal import strsignal
from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn_shell_plugins.pmi.server import LINE_MAX, VALLEN_MAX, PmiError, PmiServer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.channel import Channel
    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

PMI_FD = 3
"""Number of the descriptor in the task."""


class Pmi(ShellPlugin):
    """``pmi`` = simple or on (default for jobs of several tasks), off or none.

    Each task gets a socket, PMI_FD, with PMI_RANK and PMI_SIZE. A job of one task gets none unless asked:
    MPI libraries start single tasks without help.
    """

    name = "pmi"
    options = ("pmi=simple", "pmi=on", "pmi=off", "pmi=none")

    def wants(self, spec: ShellSpec) -> bool:
        given = spec.words("pmi")
        return "simple" in given or "on" in given or not (given or spec.single)

    def init(self, job: ShellJob) -> None:
        if job.place.size > 1 or job.spec.option("pmi") is not None:
            job.env["PMI_SIZE"] = str(job.place.size)
            job.env["PMI_FD"] = str(PMI_FD)
            job.data[self.name] = _Service(job)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        service: _Service | None = job.data.get(self.name)
        if service is not None:
            if task.env is job.env:
                task.env = task.env.copy()
            task.env["PMI_RANK"] = str(task.rank)
            service.add(task)

    def task_exit(self, job: ShellJob, task: ShellTask) -> None:
        service: _Service | None = job.data.get(self.name)
        if service is not None:
            # Its last words, an abort perhaps, may not have been read yet.
            service.channels[task.rank].drain()
            service.ended(task)

    def exit(self, job: ShellJob) -> None:
        service: _Service | None = job.data.pop(self.name, None)
        if service is not None:
            for channel in service.channels.values():
                channel.close()


class _Service:
    """The server of a job on this node, and its tasks' channels."""

    def __init__(self, job: ShellJob) -> None:
        place = job.place
        self._job = job
        self.channels: dict[int, Channel] = {}
        self._rest: dict[int, bytes] = {}
        self._server = PmiServer(
            self,
            kvsname=f"bourn-{job.id}",
            size=place.size,
            local=place.ntasks,
            universe=place.size,
            preset=_preset(job),
        )

    def ended(self, task: ShellTask) -> None:
        status = task.status or 0
        how = (
            f"was ended by signal {status & 0x7F} ({strsignal(status & 0x7F)})"
            if status & 0x7F
            else f"exited with {status >> 8}"
        )
        self._server.ended(task.rank, how if status else "")

    def fail(self, reason: str) -> None:
        # Of a job that is being ended, all tasks fail.
        if not self._job.killed:
            self._job.exception(reason)

    def add(self, task: ShellTask) -> None:
        self.channels[task.rank] = self._job.channel(task, PMI_FD, partial(self._received, task.rank))

    def fence(self, entries: dict[bytes, bytes]) -> None:
        data = {k.decode("latin-1"): v.decode("latin-1") for k, v in entries.items()}
        self._job.exchange("pmi", data, self._released)

    def send(self, rank: int, line: bytes) -> None:
        self.channels[rank].send(line)

    def abort(self, rank: int, code: int, message: str) -> None:
        said = f": {message}" if message else ""
        self._job.exception(f"task {rank} of the parallel program called abort with exit code {code}{said}")

    def _released(self, entries: dict[str, str]) -> None:
        self._server.release({k.encode("latin-1"): v.encode("latin-1") for k, v in entries.items()})

    def _received(self, rank: int, data: bytes) -> None:
        rest = self._rest.get(rank)
        if rest:
            data = rest + data
        lines = data.split(b"\n")
        self._rest[rank] = lines.pop()
        request = self._server.request
        try:
            if len(lines) == 1:
                reply = request(rank, lines[0])
            else:
                reply = b"".join([request(rank, line) for line in lines])
            if len(self._rest[rank]) > LINE_MAX:
                raise PmiError(f"a line of more than {LINE_MAX} bytes")
        except PmiError as error:
            self.channels[rank].close()
            self._job.exception(f"task {rank} misused PMI_FD: {error}", severity=3)
            return
        if reply:
            self.channels[rank].send(reply)


def _preset(job: ShellJob) -> dict[str, str]:
    # Without a map, or with one that is too long, the library finds out by itself who shares a node.
    taskmap = job.taskmap()
    text = taskmap.pmi()
    return {"PMI_process_mapping": text} if taskmap and len(text) <= VALLEN_MAX else {}


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Pmi()
