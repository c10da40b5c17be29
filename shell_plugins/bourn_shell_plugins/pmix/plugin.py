"""The shell host's side: starts the server of a job on its node, and exchanges data with the other nodes."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.task import ShellTask

_COMMAND = [sys.executable, "-m", "bourn_shell_plugins.pmix.server"]
# Open MPI 4 takes a task that mpirun hasn't started for a program of its own, unless it knows the launcher.
# This is by what it knows IBM's, which starts tasks with PMIx and nothing else. Version 5 doesn't ask.
_OPEN_MPI = {"JSM_JSRUN_PORT": "0"}
# Where Open MPI 4 and 5 keep what tasks of a node share. By themselves they use names that are the same for
# tasks of different test nodes of one machine, and leave the files there when they are killed.
_BACKING = ("OMPI_MCA_btl_vader_backing_directory", "OMPI_MCA_btl_sm_backing_directory")
_SHARED_MEMORY = "/dev/shm"


class Pmix(ShellPlugin):
    """``pmi`` = pmix: tasks find each other through PMIx, which Open MPI needs. It takes the library libpmix,
    version 4 or later, on all nodes of the job."""

    name = "pmix"
    options = ("pmi=pmix",)

    def init(self, job: ShellJob) -> None:
        job.data[self.name] = _Service(job)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        service: _Service = job.data[self.name]
        task.env = {**service.shared, **task.env, **service.env[task.local], **_OPEN_MPI}

    def exit(self, job: ShellJob) -> None:
        service: _Service | None = job.data.pop(self.name, None)
        if service is not None:
            service.close()


class _Service:
    """The server of a job on this node."""

    def __init__(self, job: ShellJob) -> None:
        self._job = job
        self._rest = b""
        self._folder = ""
        self._release: Callable[..., None] | None = job.hold()
        self.env: list[dict[str, str]] = []
        """What each task of this node needs."""
        self.shared: dict[str, str] = {}
        """What all of them get, if the user hasn't chosen otherwise."""
        self.channel = job.helper(_COMMAND, self._received)
        taskmap, place = job.taskmap(), job.place
        self._say(
            nspace=f"bourn-{job.id}",
            id=job.f58,
            nodeid=place.nodeid,
            hosts=_distinct(place.hosts) if place.nnodes > 1 else [os.uname().nodename],
            nodes=[list(taskmap.tasks(node)) for node in range(place.nnodes)],
            folder=_SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else job.tmpdir(),
        )

    def close(self) -> None:
        """End the server, and remove its directory: it does so itself, but may be killed before."""
        self.channel.close()
        if self._folder:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)

    def _say(self, **members: Any) -> None:
        self.channel.send(msgspec.json.encode(members) + b"\n")

    def _received(self, data: bytes) -> None:
        if not data:
            self._lost("its server has ended by itself")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(msgspec.json.decode(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "error" in message:
            self._lost(message["error"])
        elif "env" in message and self._release is not None:
            self.env = message["env"]
            self._folder = message["folder"]
            self.shared = dict.fromkeys(_BACKING, message["shared"])
            release, self._release = self._release, None
            release()
        elif "fence" in message:
            number, name, data = message["fence"], message["name"], message["data"]
            if message["alone"]:
                self._fenced(number, {"": data})
            else:
                own = {str(self._job.place.nodeid): data}
                self._job.exchange(f"pmix-{name}", own, partial(self._fenced, number))
        elif "abort" in message:
            rank, status = message["abort"], message["status"]
            self._job.exception(
                f"task {rank} of the parallel program called abort with exit code {status}{_said(message)}"
            )

    def _fenced(self, number: int, data: dict[str, str]) -> None:
        self._say(fenced=number, data=list(data.values()))

    def _lost(self, reason: str) -> None:
        text = f"-o pmi=pmix: {reason}"
        release, self._release = self._release, None
        if release is not None:
            release(text)
        elif not self._job.ended:
            self._job.exception(text)


def _said(message: dict[str, Any]) -> str:
    # Open MPI has nothing to say there.
    return f": {message['message']}" if message["message"] not in ("", "N/A") else ""


def _distinct(hosts: str) -> list[str]:
    """Return the names of a job's nodes, made distinct: test nodes share a machine, and so its name."""
    from bourn.model.hostlist import Hostlist

    names: list[str] = []
    for name in Hostlist(hosts):
        names.append(f"{name}-{len(names)}" if name in names else name)
    return names


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Pmix()
