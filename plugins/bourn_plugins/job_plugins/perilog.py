"""Prolog and epilog: commands of the administrator before a job starts and after it has finished.

[job-manager.prolog]
command = ["/etc/bourn/prolog"]
timeout = "5m"

The command runs on rank 0 with BOURN_JOB_ID, BOURN_JOB_USERID and BOURN_JOB_RANKS in its environment. The
prolog delays the start, the epilog keeps the resources. If the command fails, or takes longer than
`timeout`, the job gets an exception and its nodes are drained. An exception of the job ends its prolog if
`cancel-on-exception` is on. What was running when the broker ended is run again.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.config.tables import JobManagerTable, ScriptTable
from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.model.jobid import JobID
from bourn.model.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.config import Config
    from bourn.hookspecs.job_plugins import JobActions, JobHost, JobView

log = logging.getLogger("bourn.job-manager")


class Perilog(JobPlugin):
    """Runs one process for each job that has a prolog or an epilog going."""

    name = "perilog"
    default = True

    def __init__(self) -> None:
        self._scripts = {"prolog": ScriptTable(), "epilog": ScriptTable()}
        self._host: JobHost
        self._running: dict[tuple[str, int], trio.CancelScope] = {}

    def load(self, host: JobHost) -> None:
        """Keep the host."""
        self._host = host

    def conf_update(self, config: Config) -> str | None:
        """Read the commands."""
        table = config.table("job-manager", JobManagerTable)
        self._scripts = {"prolog": table.prolog, "epilog": table.epilog}
        return None

    def create(self, job: JobView, act: JobActions) -> None:
        """Run again what a restart has cut off."""
        if job.state in State.RUNNING:
            for kind, names in (("prolog", job.prologs), ("epilog", job.epilogs)):  # type: ignore[attr-defined]
                if kind in (names or ()):
                    self._begin(kind, job, act)

    def run(self, job: JobView, act: JobActions) -> None:
        """Start the prolog."""
        if self._scripts["prolog"].command and self._host.ctx is not None:
            act.prolog_start(job.id, "prolog")
            self._begin("prolog", job, act)

    def cleanup(self, job: JobView, act: JobActions) -> None:
        """End the prolog of a job that an exception has ended; start the epilog."""
        scope = self._running.get(("prolog", job.id))
        if scope is not None and self._scripts["prolog"].cancel_on_exception:
            scope.cancel()
        if self._scripts["epilog"].command and job.R is not None and self._host.ctx is not None:
            act.epilog_start(job.id, "epilog")
            self._begin("epilog", job, act)

    def query(self) -> dict[str, Any]:
        """Return what runs."""
        return {"running": [{"kind": kind, "id": JobID(id).f58} for kind, id in self._running]}

    def _begin(self, kind: str, job: JobView, act: JobActions) -> None:
        assert self._host.ctx is not None
        scope = self._running[kind, job.id] = trio.CancelScope()
        ranks = ",".join(entry["rank"] for entry in (job.R or {})["execution"]["R_lite"])
        self._host.ctx.nursery.start_soon(self._script, kind, job.id, job.userid, ranks, scope, act)

    async def _script(
        self, kind: str, id: int, userid: int, ranks: str, scope: trio.CancelScope, act: JobActions
    ) -> None:
        """Run one command to its end, and tell of it."""
        script = self._scripts[kind]
        env = {
            **os.environ,
            "BOURN_JOB_ID": JobID(id).f58,
            "BOURN_JOB_USERID": str(userid),
            "BOURN_JOB_RANKS": ranks,
        }
        status = signal.SIGTERM.value
        problem = ""
        with scope:
            try:
                with trio.move_on_after(script.timeout) as limit:
                    status = await run_script(script.command, env, script.kill_timeout)
                if limit.cancelled_caught:
                    problem = f"{kind} took longer than {script.timeout:g} s"
            except OSError as error:
                status, problem = 127 << 8, f"{kind}: {script.command[0]}: {error.strerror}"
        del self._running[kind, id]
        if status and not scope.cancelled_caught:
            problem = problem or f"{kind} failed with status {os.waitstatus_to_exitcode(status)}"
            log.error("job %s: %s", JobID(id), problem)
            self._drain(ranks, f"job {JobID(id)}: {problem}")
            act.raise_exception(id, kind, 0, problem)
        finish = "prolog-finish" if kind == "prolog" else "epilog-finish"
        act.post_event(id, finish, {"description": kind, "status": status})

    def _drain(self, ranks: str, reason: str) -> None:
        ctx = self._host.ctx
        if ctx is not None and ctx.provider("resource") is not None:
            ctx.post("resource.drain", {"targets": ranks, "reason": reason})


async def run_script(command: Iterable[str], env: dict[str, str], kill_timeout: float) -> int:
    """Run a command and return its wait status; if cancelled, end it and all of its group, kindly at
    first."""
    process = await trio.lowlevel.open_process(
        list(command), env=env, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        code = await process.wait()
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            _kill(process, signal.SIGTERM)
            with trio.move_on_after(kill_timeout):
                await process.wait()
            _kill(process, signal.SIGKILL)
            await process.wait()
        raise
    return -code if code < 0 else code << 8


def _kill(process: trio.Process, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signum)


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield Perilog()
